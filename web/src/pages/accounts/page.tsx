/** One broker account: its money, what it holds, and who trades on it. */
import { Alert, Button, Group, Stack, Tabs, Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { accountQuery, isConnected } from '../../api/accounts';
import { type Schemas, api, got } from '../../api/client';
import { strategiesQuery } from '../../api/strategies';
import { useIdInPath, useSearchParts } from '../../parts/address';
import { FlattenAccount } from '../../parts/flatten';
import { HaltSwitch } from '../../parts/halt';
import { Page } from '../../parts/page';
import { Loading, Refusal } from '../../parts/state';
import { EnvironmentBadge, StatusBadge } from '../../parts/values';
import { When } from '../../parts/zone';
import { Differences } from './differences';
import { BothBooks } from './held';
import { Money } from './money';
import { Settings } from './settings';
import { StrategiesHere } from './strategies';

type Account = Schemas['BrokerAccount'];

const UNDER = { label: 'Broker accounts', to: '/accounts' };

/** What the states mean to a trader. */
function meaningOf({ state, reconciled_at: compared }: Account['status']): string {
  // Before anything was traded there are no books of ours to compare.
  return state === 'ready' && compared == null ? 'Connected.' : MEANING[state];
}

const MEANING: Readonly<Record<Account['status']['state'], string>> = {
  ready: 'Connected, and the books agree with the broker’s.',
  connecting: 'Connecting. No entry leaves before the books were compared with the broker’s.',
  books_differ: 'The books differ from the broker’s in a symbol: no entry leaves there.',
  disconnected: 'The broker cannot be reached. No entry leaves; exits wait until it is back.',
};

export function AccountPage(): ReactNode {
  const account = useQuery(accountQuery(useIdInPath()));
  if (account.data === undefined) {
    return (
      <Page title="Broker account" under={UNDER}>
        {account.isPending && <Loading />}
        {account.isError && <Refusal error={account.error} retry={() => void account.refetch()} />}
      </Page>
    );
  }
  const { data } = account;
  return (
    <Page
      actions={
        <>
          <HaltSwitch id={data.id} name={data.label} scope="account" />
          <FlattenAccount account={data} />
        </>
      }
      beside={<EnvironmentBadge environment={data.environment} />}
      title={data.label}
      under={UNDER}
    >
      {account.isError && <Refusal error={account.error} retry={() => void account.refetch()} />}
      <Connection account={data} key={wayOf(data)} />
      {data.status.state === 'books_differ' && <Differences account={data} />}
      <Parts account={data} key={`parts ${data.id}`} />
    </Page>
  );
}

/** What leads to the broker: a test of the connection says nothing about it once this is another. */
function wayOf({ id, credentials_set_at, settings }: Account): string {
  return JSON.stringify([id, credentials_set_at, settings]);
}

/** How the connection stands, and asking the broker now. */
function Connection({ account: { id, status } }: { account: Account }) {
  const test = useMutation({
    mutationFn: () => got(api.POST('/api/v1/broker-accounts/{id}/test-connection', { params: { path: { id } } })),
  });
  return (
    <Stack gap="xs">
      <Group gap="sm">
        <StatusBadge status={status.state} />
        <Text size="sm">
          {status.detail ?? meaningOf(status)}
          {status.reconciled_at != null && (
            <>
              {' '}
              Books compared <When at={status.reconciled_at} />.
            </>
          )}
        </Text>
        <Button
          loading={test.isPending}
          onClick={() => {
            test.mutate();
          }}
          size="xs"
          variant="default"
        >
          Test connection
        </Button>
      </Group>
      {test.data !== undefined && (
        <Alert
          color={test.data.ok ? 'teal' : 'red'}
          role="status"
          title={test.data.ok ? 'The connection works' : 'The connection does not work'}
        >
          {test.data.detail}
        </Alert>
      )}
      {test.error !== null && <Refusal error={test.error} />}
    </Stack>
  );
}

function Parts({ account }: { account: Account }) {
  const [{ tab = 'holdings' }, go] = useSearchParts('tab');
  const connected = isConnected(account);
  const strategies = useQuery({
    ...strategiesQuery,
    select: ({ items, next_cursor }) => ({
      items: items.filter(({ broker_account_id }) => broker_account_id === account.id),
      next_cursor,
    }),
  });
  return (
    <Tabs
      keepMounted={false}
      onChange={(next) => {
        go({ tab: next === 'holdings' ? undefined : (next ?? undefined) });
      }}
      value={tab}
    >
      <Tabs.List mb="md">
        <Tabs.Tab value="holdings">Holdings</Tabs.Tab>
        <Tabs.Tab value="settings">Settings</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="holdings">
        <Stack>
          <Money connected={connected} id={account.id} />
          <BothBooks connected={connected} id={account.id} />
          <StrategiesHere account={account.id} query={strategies} />
        </Stack>
      </Tabs.Panel>
      <Tabs.Panel value="settings">
        <Settings account={account} strategies={strategies.data?.items ?? []} />
      </Tabs.Panel>
    </Tabs>
  );
}
