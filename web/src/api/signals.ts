/** What the alerts became. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import { api, got } from './client';
import type { paths } from './schema';

export type SignalFilter = NonNullable<paths['/api/v1/signals']['get']['parameters']['query']>;

export const signalsQuery = (filter: SignalFilter) =>
  queryOptions({
    queryKey: ['signals', filter],
    placeholderData: keepPreviousData,
    queryFn: () => got(api.GET('/api/v1/signals', { params: { query: filter } })),
  });

export const signalQuery = (id: number) =>
  queryOptions({
    queryKey: ['signals', id],
    queryFn: () => got(api.GET('/api/v1/signals/{id}', { params: { path: { id } } })),
  });
