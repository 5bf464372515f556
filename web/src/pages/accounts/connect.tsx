/** Connecting a broker account. What is asked for comes from the API's catalogue of brokers. */
import { Accordion, Alert, Button, Group, Radio, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { brokersQuery } from '../../api/accounts';
import { Problem, type Schemas, api, got } from '../../api/client';
import { settingErrors, settingsOf } from '../../format/settings';
import { Empty, Loading, Refusal } from '../../parts/state';
import { CredentialFields, SettingFields, type Texts, checkTexts, textsOf } from './fields';

interface Values {
  label: string;
  environment: string;
  credentials: Texts;
  settings: Texts;
}

export function Connect({ done }: { done: (account: Schemas['BrokerAccount']) => void }) {
  const brokers = useQuery(brokersQuery);
  const [chosen, choose] = useState<string>();
  if (brokers.isPending) {
    return <Loading />;
  }
  if (brokers.isError) {
    return <Refusal error={brokers.error} retry={() => void brokers.refetch()} />;
  }
  const broker = brokers.data.items.find((one) => one.broker === chosen) ?? brokers.data.items[0];
  if (broker === undefined) {
    return <Empty>This installation has no broker to connect.</Empty>;
  }
  return (
    <Stack>
      <Radio.Group label="Broker" onChange={choose} value={broker.broker}>
        <Group mt={4}>
          {brokers.data.items.map(({ broker: value, name }) => (
            <Radio key={value} label={name} value={value} />
          ))}
        </Group>
      </Radio.Group>
      <ConnectForm broker={broker} done={done} key={broker.broker} />
    </Stack>
  );
}

function ConnectForm({ broker, done }: { broker: Schemas['Broker']; done: (account: Schemas['BrokerAccount']) => void }) {
  const queries = useQueryClient();
  const empty = () => '';
  const form = useForm<Values>({
    mode: 'uncontrolled',
    initialValues: {
      label: broker.name,
      environment: broker.environments[0] ?? '',
      credentials: textsOf(broker.credential_fields, empty),
      settings: textsOf(broker.setting_fields, empty),
    },
    validate: ({ settings }) => checkTexts(broker.setting_fields, settings),
  });
  const [opened, open] = useState<string | null>(null);
  const atTheirPlace = (errors: Texts) => {
    form.setErrors(errors);
    if (Object.keys(errors).some((place) => place.startsWith('settings.'))) {
      open('settings');
    }
  };
  const link = useMutation({
    // Credentials are forgotten with the form.
    gcTime: 0,
    mutationFn: (values: Values) => got(api.POST('/api/v1/broker-accounts', { body: linked(broker, values) })),
    onSuccess: (account) => {
      void queries.invalidateQueries({ queryKey: ['accounts'] });
      void queries.invalidateQueries({ queryKey: ['plan'] });
      done(account);
    },
    onError: (error) => {
      atTheirPlace(error instanceof Problem ? settingErrors(error.fields) : {});
    },
  });
  const environment = form.useWatchValue('environment');
  return (
    <form
      autoComplete="off"
      onSubmit={form.onSubmit(
        (values) => {
          link.mutate(values);
        },
        (errors) => {
          atTheirPlace(errors as Texts);
        },
      )}
    >
      <Stack>
        <TextInput
          data-autofocus
          key={form.key('label')}
          label="Label"
          maxLength={100}
          required
          {...form.getInputProps('label')}
        />
        <Radio.Group key={form.key('environment')} label="Environment" {...form.getInputProps('environment')}>
          <Group mt={4}>
            {broker.environments.map((world) => (
              <Radio color={world === 'live' ? 'red.9' : 'cyan'} key={world} label={labelOf(world)} value={world} />
            ))}
          </Group>
        </Radio.Group>
        {environment === 'live' && <LiveWarning />}
        <CredentialFields fields={broker.credential_fields} form={form} />
        {broker.setting_fields.length > 0 && (
          <Accordion onChange={open} value={opened} variant="contained">
            <Accordion.Item value="settings">
              <Accordion.Control>Settings: the defaults will do to begin with</Accordion.Control>
              <Accordion.Panel>
                <SettingFields fields={broker.setting_fields} form={form} />
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
        )}
        {link.error !== null && <Refusal error={link.error} />}
        <Button color={environment === 'live' ? 'red.9' : 'cyan'} loading={link.isPending} type="submit">
          {environment === 'live' ? 'Connect the live account' : 'Connect'}
        </Button>
      </Stack>
    </form>
  );
}

function linked(broker: Schemas['Broker'], values: Values): Schemas['LinkBrokerAccount'] {
  const credentials = Object.entries(values.credentials).filter(([, secret]) => secret !== '');
  return {
    broker: broker.broker,
    environment: values.environment as Schemas['Environment'],
    label: values.label,
    credentials: Object.fromEntries(credentials),
    // The document says of settings only that they are an object: their shape is the broker's.
    settings: settingsOf(broker.setting_fields, values.settings) as Record<string, never>,
  };
}

function labelOf(environment: string): string {
  return environment === 'live' ? 'Live: real money' : environment.charAt(0).toUpperCase() + environment.slice(1);
}

function LiveWarning() {
  return (
    <Alert color="red" title="This account trades real money" variant="filled" bg="var(--live)">
      Every strategy on it sends real orders to your broker, and losses are yours. Try your alerts on a practice account
      first.
    </Alert>
  );
}
