/** The strategies of the signed-in user. */
import { queryOptions } from '@tanstack/react-query';

import { api, got } from './client';
import { firstPages } from './pages';

export const strategiesQuery = queryOptions({
  queryKey: ['strategies'],
  queryFn: () => firstPages((query) => got(api.GET('/api/v1/strategies', { params: { query } }))),
});

export const strategyQuery = (id: number) =>
  queryOptions({
    // A key of its own beside the lists': a position that changes is shown here, and not there.
    queryKey: ['strategies', 'one', id],
    queryFn: () => got(api.GET('/api/v1/strategies/{id}', { params: { path: { id } } })),
  });
