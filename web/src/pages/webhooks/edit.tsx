/** What can be changed of a webhook. */
import { Alert, Button, Group, NumberInput, Stack, Switch, TextInput, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { changed } from '../../api/queries';
import { faultOf, partsOf, withTradingView } from '../../format/ips';
import { atFields } from '../../parts/form';
import { Section } from '../../parts/section';
import { Refusal } from '../../parts/state';

function valuesOf(webhook: Schemas['Webhook']) {
  const { name, description, dedupe_window_s, require_secret } = webhook;
  return { name, description, dedupe_window_s, require_secret, allowed_ips: webhook.allowed_ips.join(', ') };
}

export function EditSection({ webhook }: { webhook: Schemas['Webhook'] }) {
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: valuesOf(webhook),
    validateInputOnChange: ['allowed_ips'],
    validate: {
      allowed_ips: faultOf,
      dedupe_window_s: (window) => (typeof window === 'number' ? null : 'A number of seconds, 0 to 60.'),
    },
  });
  const save = useMutation({
    mutationFn: ({ allowed_ips, ...rest }: ReturnType<typeof valuesOf>) => {
      // What was not touched here is not sent: it may have been changed elsewhere meanwhile.
      const touched = Object.entries({ ...rest, allowed_ips: partsOf(allowed_ips) }).filter(([name]) => form.isDirty(name));
      const body: Schemas['UpdateWebhook'] = Object.fromEntries(touched);
      return got(api.PATCH('/api/v1/webhooks/{id}', { params: { path: { id: webhook.id } }, body }));
    },
    onError: atFields(form),
    onSuccess: (saved) => {
      // As the server reads it.
      form.setValues(valuesOf(saved));
      form.resetDirty();
      changed('webhooks', 'webhook names');
    },
  });
  return (
    <Section title="Edit">
      <form
        onSubmit={form.onSubmit((values) => {
          save.mutate(values);
        })}
      >
        <Stack maw={640}>
          <TextInput key={form.key('name')} label="Name" required {...form.getInputProps('name')} />
          <Textarea autosize key={form.key('description')} label="Description" {...form.getInputProps('description')} />
          <Group align="flex-end">
            <TextInput
              description="A comma-separated list, 52.89.214.238, 34.212.75.30 for example. The word tradingview stands for the addresses that TradingView publishes. Any other sender gets 403 Forbidden; empty lets everybody in who has the secret."
              inputWrapperOrder={['label', 'description', 'input', 'error']}
              key={form.key('allowed_ips')}
              label="Allowed IPs"
              style={{ flex: '1 1 280px' }}
              {...form.getInputProps('allowed_ips')}
            />
            <Button
              onClick={() => {
                form.setFieldValue('allowed_ips', withTradingView(form.getValues().allowed_ips));
              }}
              title="The addresses that TradingView publishes"
              variant="default"
            >
              TradingView
            </Button>
          </Group>
          <NumberInput
            clampBehavior="strict"
            description="An equal alert within this time is answered again and trades nothing. 0 switches it off."
            key={form.key('dedupe_window_s')}
            label="Repeat window"
            max={60}
            min={0}
            suffix=" s"
            {...form.getInputProps('dedupe_window_s')}
          />
          <Switch
            description="Without it, anybody who learns the URL can trade."
            key={form.key('require_secret')}
            label="Require the secret"
            {...form.getInputProps('require_secret', { type: 'checkbox' })}
          />
          {save.error !== null && <Refusal error={save.error} />}
          {save.isSuccess && <Alert color="teal" role="status" title="Saved. It holds from now on." />}
          <Button loading={save.isPending} type="submit" w="fit-content">
            Save
          </Button>
        </Stack>
      </form>
    </Section>
  );
}
