/** One strategy: what it holds and did, and how it is set. */
import { Alert, SimpleGrid, Stack, Tabs, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';

import { accountsQuery } from '../../api/accounts';
import { type Schemas, api, got } from '../../api/client';
import { strategyQuery } from '../../api/strategies';
import { webhookNamesQuery } from '../../api/webhooks';
import { useIdInPath, useSearchParts } from '../../parts/address';
import { Confirm } from '../../parts/confirm';
import { HaltSwitch } from '../../parts/halt';
import { useNames } from '../../parts/names';
import { Page } from '../../parts/page';
import { Section } from '../../parts/section';
import { Loading, Refusal } from '../../parts/state';
import { To } from '../../parts/to';
import { EnvironmentBadge } from '../../parts/values';
import { ActiveSwitch } from './active';
import { StrategyEditor } from './editor';
import { Holding, Terms } from './holding';
import { FillPrices } from './prices';
import { RecentOrders, RecentSignals } from './recent';
import { type EditorValues, updated, valuesOf } from './values';

type Detail = Schemas['StrategyDetail'];

const UNDER = { label: 'Strategies', to: '/strategies' };

export function StrategyPage(): ReactNode {
  const strategy = useQuery(strategyQuery(useIdInPath()));
  const accounts = useQuery(accountsQuery);
  if (strategy.data === undefined) {
    return (
      <Page title="Strategy" under={UNDER}>
        {strategy.isPending && <Loading />}
        {strategy.isError && <Refusal error={strategy.error} retry={() => void strategy.refetch()} />}
      </Page>
    );
  }
  const { data } = strategy;
  const account = accounts.data?.items.find(({ id }) => id === data.broker_account_id);
  return (
    <Page
      actions={<HaltSwitch id={data.id} name={data.name} scope="strategy" />}
      beside={
        <>
          {account !== undefined && <EnvironmentBadge environment={account.environment} />}
          <ActiveSwitch label={data.active ? 'Active' : 'Paused'} strategy={data} />
        </>
      }
      title={data.name}
      under={UNDER}
    >
      {strategy.isError && <Refusal error={strategy.error} retry={() => void strategy.refetch()} />}
      {data.warnings.map((warning) => (
        <Alert color="yellow" key={warning} title={warning} />
      ))}
      <Parts key={data.id} strategy={data} />
    </Page>
  );
}

function Parts({ strategy }: { strategy: Detail }) {
  const [{ tab = 'activity' }, go] = useSearchParts('tab');
  return (
    <Tabs
      keepMounted={false}
      onChange={(next) => {
        go({ tab: next === 'activity' ? undefined : (next ?? undefined) });
      }}
      value={tab}
    >
      <Tabs.List mb="md">
        <Tabs.Tab value="activity">Activity</Tabs.Tab>
        <Tabs.Tab value="settings">Settings</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="activity">
        <Activity strategy={strategy} />
      </Tabs.Panel>
      <Tabs.Panel value="settings">
        <Settings strategy={strategy} />
      </Tabs.Panel>
    </Tabs>
  );
}

function Activity({ strategy }: { strategy: Detail }) {
  const names = useNames();
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Holding strategy={strategy} />
        <Terms
          strategy={strategy}
          webhook={
            <To inherit to={`/webhooks/${strategy.webhook_id}`}>
              {names.webhook(strategy.webhook_id)}
            </To>
          }
        />
      </SimpleGrid>
      <FillPrices id={strategy.id} symbol={strategy.symbol} />
      <RecentSignals id={strategy.id} />
      <RecentOrders id={strategy.id} />
    </Stack>
  );
}

function Settings({ strategy }: { strategy: Detail }) {
  const queries = useQueryClient();
  const webhooks = useQuery(webhookNamesQuery);
  const accounts = useQuery(accountsQuery);
  const { id } = strategy;
  const save = async (values: EditorValues) => {
    await got(api.PATCH('/api/v1/strategies/{id}', { params: { path: { id } }, body: updated(values, strategy) }));
    await queries.invalidateQueries({ queryKey: ['strategies'] });
  };
  return (
    <Stack maw={860}>
      {webhooks.data === undefined || accounts.data === undefined ? (
        <Loading />
      ) : (
        <StrategyEditor
          accounts={accounts.data.items}
          exists
          initial={valuesOf(strategy)}
          save={save}
          submit="Save"
          webhooks={webhooks.data}
        />
      )}
      <Deleting strategy={strategy} />
    </Stack>
  );
}

function Deleting({ strategy }: { strategy: Detail }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { id, name, position } = strategy;
  const remove = async () => {
    await got(api.DELETE('/api/v1/strategies/{id}', { params: { path: { id } } }));
    // Asked for anew by the pages to come; this one would ask for what is gone.
    const changed = ['strategies', 'plan'];
    await Promise.all(changed.map((key) => queries.invalidateQueries({ queryKey: [key], refetchType: 'none' })));
    await navigate({ to: '/strategies' });
  };
  return (
    <Section
      beside={
        <Confirm about={name} act={remove} confirm="Delete" label="Delete">
          {name} is gone for good: alerts do nothing on it any more. Its signals, orders and trades stay on record.
          {position.side !== 'flat' && (
            <Text c="var(--loss)" fw={600} mt="xs">
              It is {position.side} {position.net_qty.replace('-', '')} {strategy.symbol}. Flatten it first: it cannot be
              deleted while it holds a position.
            </Text>
          )}
        </Confirm>
      }
      title="Delete this strategy"
    >
      <Text size="sm">
        Possible once it is flat and has no order on its way. To stop it for a while, pause it instead.
      </Text>
    </Section>
  );
}
