/** What happened, what needs a look, and what the accounts are worth. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import { api, got } from './client';

/** Counts over many rows: asked for at its own pace, not at every event. */
export const overviewQuery = (since: string) =>
  queryOptions({
    queryKey: ['overview', since],
    refetchInterval: 5_000,
    queryFn: () => got(api.GET('/api/v1/overview', { params: { query: { since } } })),
  });

export const equityQuery = (account: number, since: string) =>
  queryOptions({
    queryKey: ['equity', account, since],
    // The program samples once a minute.
    refetchInterval: 60_000,
    // The next minute asks for another span: the line stays until its answer is here.
    placeholderData: keepPreviousData,
    queryFn: () => got(api.GET('/api/v1/equity', { params: { query: { broker_account_id: account, since } } })),
  });
