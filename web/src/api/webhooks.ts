/** The webhooks of the signed-in user. */
import { queryOptions } from '@tanstack/react-query';

import { api, got } from './client';
import { firstPages } from './pages';

/** The newest of them, with what came to them. */
export const webhooksQuery = queryOptions({
  queryKey: ['webhooks'],
  queryFn: () => got(api.GET('/api/v1/webhooks', { params: { query: { limit: 200 } } })),
});

/** Their names alone, which no delivery changes: the list counts a day of deliveries whenever it is asked for. */
export const webhookNamesQuery = queryOptions({
  queryKey: ['webhook names'],
  staleTime: 60_000,
  queryFn: async () => {
    const { items } = await firstPages((query) => got(api.GET('/api/v1/webhooks', { params: { query } })));
    return items.map(({ id, name }) => ({ id, name }));
  },
});

export const webhookQuery = (id: number) =>
  queryOptions({
    queryKey: ['webhooks', id],
    queryFn: () => got(api.GET('/api/v1/webhooks/{id}', { params: { path: { id } } })),
  });
