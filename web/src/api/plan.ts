/** The plan, its limits and how much of them is used. */
import { queryOptions } from '@tanstack/react-query';

import { api, got } from './client';

export const planQuery = queryOptions({
  queryKey: ['plan'],
  queryFn: () => got(api.GET('/api/v1/plan')),
});
