/** Sends a message to the webhook as an alert source would, and shows what the receiver answers. */
import { Button, Group, PasswordInput, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import type { Schemas } from '../../api/client';
import { sendAlert } from '../../api/test_alert';
import { example } from '../../format/alert';
import { Answer } from '../../parts/answer';
import { Section } from '../../parts/section';
import { Refusal } from '../../parts/state';
import { To } from '../../parts/to';

export function SendTest({ webhook, message }: { webhook: Schemas['Webhook']; message: string }) {
  // Typed in anew each time: it is kept nowhere.
  const [secret, setSecret] = useState('');
  const send = useMutation({ mutationFn: () => sendAlert(webhook.token, secret, example(message)) });
  return (
    <Section title="Send test alert">
      <Text size="sm">
        Sends the message above as a real alert, from this browser: active strategies trade it. TradingView&rsquo;s
        placeholders are filled with examples.
      </Text>
      <Group align="flex-end">
        <PasswordInput
          autoComplete="off"
          label="Secret"
          onChange={(event) => {
            setSecret(event.currentTarget.value);
          }}
          value={secret}
          w={320}
        />
        <Button
          loading={send.isPending}
          onClick={() => {
            send.mutate();
          }}
        >
          Send test alert
        </Button>
        <To size="sm" to={`/webhooks/${webhook.id}`}>
          To the logs
        </To>
      </Group>
      {send.error !== null && <Refusal error={send.error} />}
      {send.data !== undefined && <Answer answer={send.data} />}
    </Section>
  );
}
