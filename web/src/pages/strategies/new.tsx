/** Making a strategy: what the alerts of a webhook do on a broker account. */
import { Box } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';

import { accountsQuery } from '../../api/accounts';
import { type Schemas, api, got } from '../../api/client';
import { webhookNamesQuery } from '../../api/webhooks';
import { useSearchParts } from '../../parts/address';
import { Page } from '../../parts/page';
import { Empty, Loading, Refusal } from '../../parts/state';
import { To } from '../../parts/to';
import { StrategyEditor } from './editor';
import { type EditorValues, blank, created } from './values';

export function NewStrategyPage(): ReactNode {
  const webhooks = useQuery(webhookNamesQuery);
  const accounts = useQuery(accountsQuery);
  const missing = [webhooks, accounts].find(({ data }) => data === undefined);
  return (
    <Page title="New strategy" under={{ label: 'Strategies', to: '/strategies' }}>
      {missing?.isPending === true && <Loading />}
      {missing?.error != null && <Refusal error={missing.error} retry={() => void missing.refetch()} />}
      {webhooks.data !== undefined && accounts.data !== undefined && (
        <Making accounts={accounts.data.items} webhooks={webhooks.data} />
      )}
    </Page>
  );
}

interface MakingProps {
  webhooks: readonly Pick<Schemas['Webhook'], 'id' | 'name'>[];
  accounts: readonly Schemas['BrokerAccount'][];
}

function Making({ webhooks, accounts }: MakingProps) {
  const [search] = useSearchParts('webhook_id', 'broker_account_id');
  const queries = useQueryClient();
  const navigate = useNavigate();
  if (webhooks.length === 0) {
    return (
      <Empty>
        A strategy runs the alerts of a webhook, and there is none yet.{' '}
        <To to="/webhooks" underline="always">
          Create a webhook
        </To>
      </Empty>
    );
  }
  if (accounts.length === 0) {
    return (
      <Empty>
        A strategy trades on a broker account, and none is connected yet.{' '}
        <To to="/accounts" underline="always">
          Connect one
        </To>
      </Empty>
    );
  }
  const make = async (values: EditorValues) => {
    const strategy = await got(api.POST('/api/v1/strategies', { body: created(values) }));
    void queries.invalidateQueries({ queryKey: ['strategies'] });
    void queries.invalidateQueries({ queryKey: ['plan'] });
    await navigate({ to: '/strategies/$id', params: { id: String(strategy.id) } });
  };
  const initial = blank(choice(webhooks, search.webhook_id), choice(accounts, search.broker_account_id));
  return (
    <Box maw={860}>
      <StrategyEditor
        accounts={accounts}
        exists={false}
        initial={initial}
        save={make}
        submit="Create strategy"
        webhooks={webhooks}
      />
    </Box>
  );
}

/** The one asked for where there is such a one, else the only one. */
function choice(things: readonly { id: number }[], asked: string | undefined): string | null {
  const ids = things.map(({ id }) => String(id));
  const [only = null, ...others] = ids;
  return ids.find((id) => id === asked) ?? (others.length === 0 ? only : null);
}
