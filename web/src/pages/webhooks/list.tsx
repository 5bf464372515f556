/** The webhooks: which there are, whether they take alerts, and making one. */
import { Button, Modal } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { type Schemas, api, got } from '../../api/client';
import { pagingOf, useSearchParts } from '../../parts/address';
import { type Column, List } from '../../parts/list';
import { Page } from '../../parts/page';
import { To } from '../../parts/to';
import { When } from '../../parts/zone';
import { ActiveSwitch } from './active';
import { NewWebhook } from './new';

const COLUMNS: readonly Column<Schemas['Webhook']>[] = [
  {
    head: 'Name',
    cell: (webhook) => (
      <To fw={600} inherit to={`/webhooks/${webhook.id}`}>
        {webhook.name}
      </To>
    ),
  },
  { head: 'Active', cell: (webhook) => <ActiveSwitch webhook={webhook} /> },
  {
    head: 'Last alert',
    cell: ({ activity }) => (activity.last_received_at == null ? 'never' : <When at={activity.last_received_at} />),
  },
  { head: 'Accepted, 24 h', figure: true, cell: ({ activity }) => activity.accepted_24h },
  { head: 'Repeats, 24 h', figure: true, cell: ({ activity }) => activity.replayed_24h },
  {
    head: 'Refused, 24 h',
    figure: true,
    cell: ({ id, activity }) =>
      activity.refused_24h === 0 ? (
        0
      ) : (
        <To inherit search={{ outcome: 'refused' }} to={`/webhooks/${id}`}>
          {activity.refused_24h}
        </To>
      ),
  },
];

export function WebhooksPage(): ReactNode {
  const [{ cursor }, change] = useSearchParts('cursor');
  const webhooks = useQuery({
    queryKey: ['webhooks', 'page', cursor],
    placeholderData: keepPreviousData,
    queryFn: () =>
      got(api.GET('/api/v1/webhooks', { params: { query: cursor === undefined ? {} : { cursor } } })),
  });
  const [making, { open, close }] = useDisclosure();
  return (
    <Page actions={<Button onClick={open}>Create New Webhook</Button>} title="Webhooks">
      <List
        columns={COLUMNS}
        empty="No webhook yet. Create one and paste its URL into TradingView."
        keyOf={({ id }) => id}
        label="Webhooks"
        minWidth={640}
        paging={pagingOf(cursor, change)}
        query={webhooks}
      />
      <Modal closeOnClickOutside={false} onClose={close} opened={making} size="lg" title="Create New Webhook">
        <NewWebhook done={close} />
      </Modal>
    </Page>
  );
}
