/** What the strategies hold. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import { api, got } from './client';
import type { paths } from './schema';

export type PositionFilter = NonNullable<paths['/api/v1/positions']['get']['parameters']['query']>;

export const positionsOf = (filter: PositionFilter) =>
  queryOptions({
    queryKey: ['positions', filter],
    // Prices move without an event.
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
    queryFn: () => got(api.GET('/api/v1/positions', { params: { query: filter } })),
  });

/** What is open now, of all strategies. */
export const openPositionsQuery = positionsOf({ limit: 200, open: true });
