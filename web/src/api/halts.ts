/** What is halted, and by whom. */
import { queryOptions } from '@tanstack/react-query';

import { api, got } from './client';

export const haltsQuery = queryOptions({
  queryKey: ['halts'],
  // No event tells of a halt.
  refetchInterval: 15_000,
  queryFn: () => got(api.GET('/api/v1/halts')),
});
