/** The names of what rows point at by id. */
import { useQuery } from '@tanstack/react-query';

import { accountsQuery } from '../api/accounts';
import { strategiesQuery } from '../api/strategies';
import { webhookNamesQuery } from '../api/webhooks';

export interface Names {
  webhook: (id: number) => string;
  strategy: (id: number) => string;
  account: (id: number) => string;
}

/** What is deleted has no name left: its id stands in. */
export function useNames(): Names {
  const webhooks = useQuery(webhookNamesQuery).data;
  const strategies = useQuery(strategiesQuery).data?.items;
  const accounts = useQuery(accountsQuery).data?.items;
  return {
    webhook: (id) => webhooks?.find((webhook) => webhook.id === id)?.name ?? `#${id}`,
    strategy: (id) => strategies?.find((strategy) => strategy.id === id)?.name ?? `#${id}`,
    account: (id) => accounts?.find((account) => account.id === id)?.label ?? `#${id}`,
  };
}
