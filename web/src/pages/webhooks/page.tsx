/** One webhook: its logs, the alert that goes with it, and how it is set. */
import { Alert, Stack, Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { webhookQuery } from '../../api/webhooks';
import { useIdInPath, useSearchParts } from '../../parts/address';
import { Page } from '../../parts/page';
import { Loading, Refusal } from '../../parts/state';
import { ActiveSwitch } from './active';
import { AlertBuilder } from './builder';
import { EditSection } from './edit';
import { Explain } from './explain';
import { LinkedStrategies } from './linked';
import { Logs } from './logs';
import { DeleteSection, SecretSection } from './secret';

const UNDER = { label: 'Webhooks', to: '/webhooks' };

export function WebhookPage(): ReactNode {
  const webhook = useQuery(webhookQuery(useIdInPath()));
  const { data } = webhook;
  return (
    <Page
      beside={data !== undefined && <ActiveSwitch label={data.active ? 'Active' : 'Takes nothing'} webhook={data} />}
      title={data?.name ?? 'Webhook'}
      under={UNDER}
    >
      {webhook.isPending && <Loading />}
      {webhook.isError && <Refusal error={webhook.error} retry={() => void webhook.refetch()} />}
      {data?.warnings.map((warning) => (
        <Alert color="yellow" key={warning} title={warning} />
      ))}
      {data !== undefined && <Parts key={data.id} webhook={data} />}
    </Page>
  );
}

function Parts({ webhook }: { webhook: Schemas['Webhook'] }) {
  const [{ tab = 'logs' }, go] = useSearchParts('tab');
  return (
    <Tabs
      keepMounted={false}
      onChange={(next) => {
        go({ tab: next === 'logs' ? undefined : (next ?? undefined) });
      }}
      value={tab}
    >
      <Tabs.List mb="md">
        <Tabs.Tab value="logs">Logs</Tabs.Tab>
        <Tabs.Tab value="alert">Alert builder</Tabs.Tab>
        <Tabs.Tab value="edit">Edit</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="logs">
        <Logs webhook={webhook} />
      </Tabs.Panel>
      <Tabs.Panel value="alert">
        <Stack>
          <AlertBuilder webhook={webhook} />
          <Explain webhook={webhook} />
        </Stack>
      </Tabs.Panel>
      <Tabs.Panel value="edit">
        <Stack>
          <EditSection webhook={webhook} />
          <LinkedStrategies webhook={webhook} />
          <SecretSection webhook={webhook} />
          <DeleteSection webhook={webhook} />
        </Stack>
      </Tabs.Panel>
    </Tabs>
  );
}
