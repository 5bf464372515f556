/** The broker accounts of the signed-in user, and the brokers that there are. */
import { queryOptions } from '@tanstack/react-query';

import { type Schemas, api, got } from './client';
import { firstPages } from './pages';

export const accountsQuery = queryOptions({
  queryKey: ['accounts'],
  queryFn: () => firstPages((query) => got(api.GET('/api/v1/broker-accounts', { params: { query } }))),
});

export const accountQuery = (id: number) =>
  queryOptions({
    queryKey: ['accounts', id],
    // Books are compared again and again without an event.
    refetchInterval: 5_000,
    queryFn: () => got(api.GET('/api/v1/broker-accounts/{id}', { params: { path: { id } } })),
  });

/** Whether the broker can be asked about the account. */
export function isConnected({ status: { state } }: Pick<Schemas['BrokerAccount'], 'status'>): boolean {
  return state === 'ready' || state === 'books_differ';
}

/** What the broker says the account holds; asked of the broker at every call. */
export const balanceQuery = (id: number) =>
  queryOptions({
    queryKey: ['accounts', id, 'balance'],
    // What is open moves it without an event; and no event asks for it, because each question goes to the broker.
    refetchInterval: 5_000,
    queryFn: () => got(api.GET('/api/v1/broker-accounts/{id}/balance', { params: { path: { id } } })),
  });

/** Where the books differ from the broker's; compared by the program every half minute. */
export const differencesQuery = (id: number) =>
  queryOptions({
    queryKey: ['accounts', id, 'differences'],
    refetchInterval: 15_000,
    queryFn: () => got(api.GET('/api/v1/broker-accounts/{id}/differences', { params: { path: { id } } })),
  });

export const brokersQuery = queryOptions({
  queryKey: ['brokers'],
  staleTime: Infinity,
  queryFn: () => got(api.GET('/api/v1/brokers')),
});
