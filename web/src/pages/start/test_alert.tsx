/** The end of the first run: what to paste where, and an alert to see it work. */
import { Button, Group, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { sendAlert } from '../../api/test_alert';
import { duration } from '../../format/times';
import { Answer } from '../../parts/answer';
import { CopyField } from '../../parts/copy_field';
import { Refusal } from '../../parts/state';
import { To } from '../../parts/to';
import { Figure, SideText, StatusBadge } from '../../parts/values';

const ENTRY = '{"action": "BUY"}';
const EXIT = '{"action": "SELL", "comment": "EXIT_FINAL"}';

interface TestAlertProps {
  webhook: Schemas['WebhookWithSecret'];
  strategy: Schemas['Strategy'];
}

export function TestAlert({ webhook, strategy }: TestAlertProps) {
  const send = useMutation({ mutationFn: (message: string) => sendAlert(webhook.token, webhook.secret, message) });
  return (
    <Stack>
      <Title order={2} size="h4">
        Ready: {strategy.name} trades {strategy.symbol}
      </Title>
      <Text size="sm">
        In TradingView, make an alert. Under Notifications, check Webhook URL and paste this. Copy it now: the secret in it
        is not shown again.
      </Text>
      <CopyField label="Webhook URL" value={webhook.url} />
      <Text size="sm">In the Message field, say what to do: buy here, or close the position.</Text>
      <CopyField label="Message to buy" value={ENTRY} />
      <CopyField label="Message to close" value={EXIT} />
      <Group>
        <Button
          loading={send.isPending}
          onClick={() => {
            send.mutate(ENTRY);
          }}
        >
          Send test alert
        </Button>
        <Button
          loading={send.isPending}
          onClick={() => {
            send.mutate(EXIT);
          }}
          variant="default"
        >
          Close the position again
        </Button>
      </Group>
      {send.error !== null && <Refusal error={send.error} />}
      {send.data !== undefined && <Answer answer={send.data} />}
      <Latest id={webhook.id} />
      <Group>
        <To to={`/webhooks/${webhook.id}`}>To the webhook</To>
        <To to="/">To the overview</To>
      </Group>
    </Stack>
  );
}

/** What came of a webhook's alerts so far, as it happens. Knows its id alone: what is asked for outlives the page. */
function Latest({ id }: { id: number }) {
  const signals = useQuery({
    queryKey: ['signals', 'latest', id],
    queryFn: () => got(api.GET('/api/v1/signals', { params: { query: { webhook_id: id, limit: 5 } } })),
  });
  return (
    <Stack aria-label="What came of the alerts" aria-live="polite" gap="xs" role="log">
      {signals.data?.items.map((signal) => (
        <Group gap="xs" key={signal.id}>
          <StatusBadge status={signal.status} />
          <Text size="sm">
            <SideText side={signal.action} /> {signal.comment} {signal.reason}
          </Text>
          {signal.strategies.flatMap(({ fills, timeline }) =>
            fills.map((fill) => (
              <Text key={fill.exec_id} size="sm">
                Filled <Figure value={fill.last_qty} /> {fill.symbol} at <Figure value={fill.last_price} />
                {fill.simulated && ' (simulated price)'}, {duration(timeline.at(-1)?.offset_us ?? 0)} after receipt
              </Text>
            )),
          )}
          <To size="sm" to={`/signals/${signal.id}`}>
            Every step
          </To>
        </Group>
      ))}
    </Stack>
  );
}
