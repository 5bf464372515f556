/** Orders and fills. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import { api, got } from './client';
import type { paths } from './schema';

export type OrderFilter = NonNullable<paths['/api/v1/orders']['get']['parameters']['query']>;
export type FillFilter = NonNullable<paths['/api/v1/fills']['get']['parameters']['query']>;

export const ordersQuery = (filter: OrderFilter) =>
  queryOptions({
    queryKey: ['orders', filter],
    placeholderData: keepPreviousData,
    queryFn: () => got(api.GET('/api/v1/orders', { params: { query: filter } })),
  });

export const fillsQuery = (filter: FillFilter) =>
  queryOptions({
    queryKey: ['fills', filter],
    placeholderData: keepPreviousData,
    queryFn: () => got(api.GET('/api/v1/fills', { params: { query: filter } })),
  });
