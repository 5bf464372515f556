/** One signal: what came in, and what became of it on every strategy, step by step. */
import { Code, List as Bullets, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { signalQuery } from '../../api/signals';
import { exactly } from '../../format/times';
import { useIdInPath } from '../../parts/address';
import { Facts } from '../../parts/facts';
import { useNames } from '../../parts/names';
import { Page } from '../../parts/page';
import { Section } from '../../parts/section';
import { Loading, Refusal } from '../../parts/state';
import { To } from '../../parts/to';
import { Figure, Reason, SideText, StatusBadge } from '../../parts/values';
import { OutcomeSection } from './outcome';

const UNDER = { label: 'Signals', to: '/signals' };

export function SignalPage(): ReactNode {
  const id = useIdInPath();
  const signal = useQuery(signalQuery(id));
  return (
    <Page
      beside={signal.data !== undefined && <StatusBadge status={signal.data.status} />}
      title={`Signal ${id}`}
      under={UNDER}
    >
      {signal.isPending && <Loading />}
      {signal.isError && <Refusal error={signal.error} retry={() => void signal.refetch()} />}
      {signal.data !== undefined && <Parts signal={signal.data} />}
    </Page>
  );
}

function Parts({ signal }: { signal: Schemas['Signal'] }) {
  return (
    <Stack>
      <Text>
        <Reason code={signal.code}>{signal.reason}</Reason>
      </Text>
      <Alert signal={signal} />
      {signal.strategies.map((outcome) => (
        <OutcomeSection key={outcome.strategy_id} outcome={outcome} signal={signal} />
      ))}
    </Stack>
  );
}

function Alert({ signal }: { signal: Schemas['Signal'] }) {
  const names = useNames();
  const webhook = (
    <To inherit to={`/webhooks/${signal.webhook_id}`}>
      {names.webhook(signal.webhook_id)}
    </To>
  );
  return (
    <Section title={signal.source === 'flatten' ? 'Flattened by hand' : 'The alert'}>
      <Facts
        facts={[
          ['Asks for', <SideText key="action" side={signal.action} />],
          ['Comment', signal.comment ?? 'none'],
          ['Symbol', signal.symbol ?? 'the strategy’s'],
          ['Price', <Figure key="price" value={signal.price} />],
          ['Quantity', <Figure key="quantity" value={signal.quantity} />],
          ['Webhook', webhook],
          ['Received', exactly(signal.received_at)],
          ['Stored', exactly(signal.stored_at)],
        ]}
      />
      {signal.notes.length > 0 && (
        <Bullets size="sm">
          {signal.notes.map((note) => (
            <Bullets.Item key={note}>{note}</Bullets.Item>
          ))}
        </Bullets>
      )}
      {signal.payload !== '' && (
        <div>
          <Text c="dimmed" size="xs">
            Payload, as it came
          </Text>
          <Code block className="payload">
            {signal.payload}
          </Code>
        </div>
      )}
    </Section>
  );
}
