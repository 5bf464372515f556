/** The reasons that the program gives. */
import { queryOptions } from '@tanstack/react-query';

import { api, got } from './client';

export const codesQuery = queryOptions({
  queryKey: ['codes'],
  staleTime: Infinity,
  queryFn: () => got(api.GET('/api/v1/codes')),
});
