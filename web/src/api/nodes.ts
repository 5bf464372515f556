/** The nodes of the cluster, for administrators. */
import { queryOptions } from '@tanstack/react-query';

import { livingFirst } from '../format/nodes';
import { api, got } from './client';

export const nodesQuery = queryOptions({
  queryKey: ['nodes'],
  // No event tells of a node.
  refetchInterval: 3_000,
  queryFn: () => got(api.GET('/api/v1/admin/nodes')),
  select: ({ items, next_cursor }) => ({ items: livingFirst(items), next_cursor }),
});
