import { Button, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { changed } from '../../api/queries';
import { webhooksQuery } from '../../api/webhooks';
import { atFields } from '../../parts/form';
import { Refusal } from '../../parts/state';

export function WebhookStep({ done }: { done: (webhook: Schemas['WebhookWithSecret']) => void }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { name: 'TradingView' } });
  const make = useMutation({
    mutationFn: ({ name }: { name: string }) => got(api.POST('/api/v1/webhooks', { body: { name } })),
    onError: atFields(form),
    onSuccess: (webhook) => {
      changed('webhooks', 'webhook names', 'plan');
      done(webhook);
    },
  });
  const unused = useQuery(webhooksQuery).data?.items.find(
    ({ active, activity }) => active && activity.last_received_at == null,
  );
  // Its secret was shown once. Nothing has come to it, so nothing breaks with another.
  const again = useMutation({
    mutationFn: (id: number) =>
      got(api.POST('/api/v1/webhooks/{id}/rotate-secret', { params: { path: { id } }, body: { overlap_s: 0 } })),
    onSuccess: done,
  });
  const refusal = make.error ?? again.error;
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        make.mutate(values);
      })}
    >
      <Stack>
        <Title order={2} size="h4">
          A webhook
        </Title>
        <Text size="sm">Its URL is what you paste into TradingView. You get it at the end, with a message to go with it.</Text>
        <TextInput key={form.key('name')} label="Name" required {...form.getInputProps('name')} />
        {refusal !== null && <Refusal error={refusal} />}
        <Group>
          <Button loading={make.isPending} type="submit">
            Make the webhook
          </Button>
          {unused !== undefined && (
            <Button
              loading={again.isPending}
              onClick={() => {
                again.mutate(unused.id);
              }}
              variant="default"
            >
              Go on with {unused.name}, with another secret
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}
