import { Button, Stack, TextInput, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { changed } from '../../api/queries';
import { atFields } from '../../parts/form';
import { ShownOnce } from '../../parts/shown_once';
import { Refusal } from '../../parts/state';
import { To } from '../../parts/to';

export function NewWebhook({ done }: { done: () => void }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { name: '', description: '' } });
  const make = useMutation({
    mutationFn: (body: Schemas['CreateWebhook']) => got(api.POST('/api/v1/webhooks', { body })),
    onError: atFields(form),
    onSuccess: () => {
      changed('webhooks', 'webhook names', 'plan');
    },
  });
  if (make.data !== undefined) {
    return (
      <Stack>
        <ShownOnce webhook={make.data} />
        <To size="sm" to={`/webhooks/${make.data.id}`}>
          To the webhook: who may send, what to write in the alert, and its logs
        </To>
        <Button onClick={done}>I have saved them</Button>
      </Stack>
    );
  }
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        make.mutate(values);
      })}
    >
      <Stack>
        <TextInput
          data-autofocus
          description="What you call it, “ES Long Entry” for example"
          key={form.key('name')}
          label="Name"
          required
          {...form.getInputProps('name')}
        />
        <Textarea
          autosize
          description="Notes about what it does, if you like"
          key={form.key('description')}
          label="Description"
          {...form.getInputProps('description')}
        />
        {make.error !== null && <Refusal error={make.error} />}
        <Button loading={make.isPending} type="submit">
          Save
        </Button>
      </Stack>
    </form>
  );
}
