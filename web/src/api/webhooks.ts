/** The webhooks of the signed-in user. */
import { queryOptions } from '@tanstack/react-query';

import { api, got } from './client';

export const webhooksQuery = queryOptions({
  queryKey: ['webhooks'],
  queryFn: () => got(api.GET('/api/v1/webhooks', { params: { query: { limit: 200 } } })),
});

export const webhookQuery = (id: number) =>
  queryOptions({
    queryKey: ['webhooks', id],
    queryFn: () => got(api.GET('/api/v1/webhooks/{id}', { params: { path: { id } } })),
  });
