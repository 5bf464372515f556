import { Button, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { atFields } from '../../parts/form';
import { Refusal } from '../../parts/state';

export function WebhookStep({ done }: { done: (webhook: Schemas['WebhookWithSecret']) => void }) {
  const queries = useQueryClient();
  const form = useForm({ mode: 'uncontrolled', initialValues: { name: 'TradingView' } });
  const make = useMutation({
    gcTime: 0,
    mutationFn: ({ name }: { name: string }) => got(api.POST('/api/v1/webhooks', { body: { name } })),
    onError: atFields(form),
    onSuccess: async (webhook) => {
      await queries.invalidateQueries({ queryKey: ['webhooks'] });
      done(webhook);
    },
  });
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
        {make.error !== null && <Refusal error={make.error} />}
        <Button loading={make.isPending} type="submit" w="fit-content">
          Make the webhook
        </Button>
      </Stack>
    </form>
  );
}
