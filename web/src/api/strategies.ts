/** The strategies of the signed-in user. */
import { queryOptions } from '@tanstack/react-query';

import { api, got } from './client';

export const strategiesQuery = queryOptions({
  queryKey: ['strategies'],
  queryFn: () => got(api.GET('/api/v1/strategies', { params: { query: { limit: 200 } } })),
});

export const strategyQuery = (id: number) =>
  queryOptions({
    queryKey: ['strategies', id],
    queryFn: () => got(api.GET('/api/v1/strategies/{id}', { params: { path: { id } } })),
  });
