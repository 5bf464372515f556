/** What needs a look, and the way to where it is looked at. */
import { Badge, Card, Group, Stack, Text, Title } from '@mantine/core';

import type { Schemas } from '../../api/client';
import { To } from '../../parts/to';
import { Reason } from '../../parts/values';
import { When } from '../../parts/zone';

const KINDS: Readonly<Record<Schemas['AttentionKind'], string>> = {
  subscription: 'Subscription',
  halt: 'Halt',
  account_disconnected: 'Broker disconnected',
  books_differ: 'Books differ',
  unknown_order: 'Unknown order',
  rejected_signal: 'Rejected by the broker',
  denied_signal: 'Denied',
  expired_signal: 'Expired',
  signal_without_strategy: 'No active strategy',
  refused_deliveries: 'Alerts refused',
};

/** Where one looks at it: at the narrowest thing that it names. */
function placeOf(item: Schemas['Attention']): { to: string; label: string; search?: { tab: string } } | undefined {
  if (item.signal_id != null) {
    return { to: `/signals/${item.signal_id}`, label: 'Signal' };
  }
  if (item.webhook_id != null) {
    return { to: `/webhooks/${item.webhook_id}`, search: { tab: 'logs' }, label: 'Logs' };
  }
  if (item.broker_account_id != null) {
    return { to: `/accounts/${item.broker_account_id}`, label: 'Broker account' };
  }
  return item.strategy_id == null ? undefined : { to: `/strategies/${item.strategy_id}`, label: 'Strategy' };
}

export function AttentionCard({ overview }: { overview: Schemas['Overview'] }) {
  const items = overview.attention;
  return (
    <Card component="section" withBorder>
      <Title order={2} size="h4">
        Needs attention
      </Title>
      {items.length === 0 ? (
        <Text c="dimmed" py="xs" size="sm">
          Nothing: no halt, no unknown order, no refusal today, and every broker is connected.
        </Text>
      ) : (
        <Stack component="ul" className="attention" gap="sm">
          {items.map((item, index) => (
            // The list has no identities of its own; it is drawn anew as a whole.
            <AttentionItem item={item} key={index} />
          ))}
        </Stack>
      )}
      {overview.attention_truncated && (
        <Text c="dimmed" size="sm">
          There is more: the first {items.length} are shown.
        </Text>
      )}
    </Card>
  );
}

function AttentionItem({ item }: { item: Schemas['Attention'] }) {
  const place = placeOf(item);
  return (
    <li>
      <Group gap="xs">
        <Badge className="status bad" variant="light">
          {KINDS[item.kind]}
        </Badge>
        {item.count > 1 && <Text size="sm">{item.count} times</Text>}
        {place !== undefined && (
          <To search={place.search ?? {}} size="sm" to={place.to}>
            {place.label}
          </To>
        )}
        <Text c="dimmed" size="sm">
          {item.last_at == null ? (item.since == null ? 'now' : <>since <When at={item.since} /></>) : <When at={item.last_at} />}
        </Text>
      </Group>
      <Text size="sm">
        <Reason code={item.code}>{item.sentence}</Reason>
      </Text>
    </li>
  );
}
