/** Says in English what a payload would do, and does nothing. */
import { Alert, Badge, Button, Group, List as Bullets, Stack, Text, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import { type Schemas, api, got } from '../../api/client';
import { Section } from '../../parts/section';
import { Refusal } from '../../parts/state';
import { To } from '../../parts/to';
import { Reason } from '../../parts/values';

export function Explain({ webhook }: { webhook: Schemas['Webhook'] }) {
  const [payload, setPayload] = useState('{"action": "SELL", "comment": "EXIT_50"}');
  const explain = useMutation({
    mutationFn: () => {
      // The API takes an object or the raw text; the text keeps what is wrong with it.
      const body = { payload: payload as unknown as Schemas['ExplainPayload']['payload'] };
      return got(api.POST('/api/v1/webhooks/{id}/explain', { params: { path: { id: webhook.id } }, body }));
    },
  });
  return (
    <Section title="What would this do?">
      <Textarea
        autosize
        description="Any message, from any source. Nothing is sent and nothing trades."
        label="Payload"
        maxRows={12}
        minRows={2}
        onChange={(event) => {
          setPayload(event.currentTarget.value);
        }}
        styles={{ input: { fontFamily: 'monospace' } }}
        value={payload}
      />
      <Button
        loading={explain.isPending}
        onClick={() => {
          explain.mutate();
        }}
        variant="default"
        w="fit-content"
      >
        Explain it
      </Button>
      {explain.error !== null && <Refusal error={explain.error} />}
      {explain.data !== undefined && <Explained explanation={explain.data} />}
    </Section>
  );
}

function Explained({ explanation }: { explanation: Schemas['Explanation'] }) {
  const { valid, code, sentence, notes, strategies } = explanation;
  return (
    <Alert
      color={valid ? 'teal' : 'red'}
      role="status"
      title={valid ? 'The receiver would take it' : 'The receiver would refuse it'}
    >
      <Stack gap="xs">
        <Text size="sm">{code == null ? sentence : <Reason code={code}>{sentence}</Reason>}</Text>
        {notes.length > 0 && (
          <Bullets size="sm">
            {notes.map((note) => (
              <Bullets.Item key={note}>{note}</Bullets.Item>
            ))}
          </Bullets>
        )}
        {strategies.map((strategy) => (
          <Group gap="xs" key={strategy.strategy_id}>
            <To fw={600} size="sm" to={`/strategies/${strategy.strategy_id}`}>
              {strategy.name}
            </To>
            <Badge className="status calm">{strategy.decision}</Badge>
            <Text size="sm">
              {strategy.code == null ? strategy.sentence : <Reason code={strategy.code}>{strategy.sentence}</Reason>}
            </Text>
          </Group>
        ))}
      </Stack>
    </Alert>
  );
}
