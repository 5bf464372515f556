/** The broker accounts: which there are, whether their money is real, and how they stand. */
import { Button, Modal, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';

import { brokersQuery } from '../../api/accounts';
import { type Schemas, api, got } from '../../api/client';
import { pagingOf, useSearchParts } from '../../parts/address';
import { type Column, List } from '../../parts/list';
import { Page } from '../../parts/page';
import { To } from '../../parts/to';
import { EnvironmentBadge, StatusBadge } from '../../parts/values';
import { When } from '../../parts/zone';
import { Connect } from './connect';

const PAGE = 50;

export function AccountsPage(): ReactNode {
  const [{ cursor }, go] = useSearchParts('cursor');
  const [connecting, { open, close }] = useDisclosure();
  const navigate = useNavigate();
  const accounts = useQuery({
    queryKey: ['accounts', 'page', cursor],
    placeholderData: keepPreviousData,
    // As of one account.
    refetchInterval: 15_000,
    queryFn: () =>
      got(
        api.GET('/api/v1/broker-accounts', {
          params: { query: { limit: PAGE, ...(cursor !== undefined && { cursor }) } },
        }),
      ),
  });
  return (
    <Page actions={<Button onClick={open}>Connect account</Button>} title="Broker accounts">
      <List
        columns={useColumns()}
        empty="No broker account yet. Connect one, a paper account to begin with, so that strategies have a place to trade."
        keyOf={(row) => row.id}
        label="Broker accounts"
        paging={pagingOf(cursor, go)}
        query={accounts}
      />
      <Modal closeOnClickOutside={false} onClose={close} opened={connecting} size="lg" title="Connect a broker account">
        <Connect done={({ id }) => void navigate({ to: '/accounts/$id', params: { id: String(id) } })} />
      </Modal>
    </Page>
  );
}

function useColumns(): Column<Schemas['BrokerAccount']>[] {
  const brokers = useQuery(brokersQuery).data?.items;
  return [
    {
      head: 'Label',
      cell: (row) => (
        <To fw={600} inherit to={`/accounts/${row.id}`}>
          {row.label}
        </To>
      ),
    },
    { head: 'Environment', cell: (row) => <EnvironmentBadge environment={row.environment} /> },
    { head: 'Broker', cell: (row) => brokers?.find(({ broker }) => broker === row.broker)?.name ?? row.broker },
    {
      head: 'Status',
      cell: ({ status }) => (
        <>
          <StatusBadge status={status.state} />
          {status.detail != null && <Text size="xs">{status.detail}</Text>}
        </>
      ),
    },
    { head: 'Books compared', cell: (row) => <When at={row.status.reconciled_at} /> },
    { head: 'Connected', cell: (row) => <When at={row.created_at} /> },
  ];
}
