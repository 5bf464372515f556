/** Another secret for a webhook, and its end. */
import { Button, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';

import { type Schemas, api, got } from '../../api/client';
import { changed } from '../../api/queries';
import { Confirm } from '../../parts/confirm';
import { Section } from '../../parts/section';
import { ShownOnce } from '../../parts/shown_once';
import { When } from '../../parts/zone';
import { useLinked } from './linked';

const OVERLAPS = [
  { value: '0', label: 'The old one stops at once' },
  { value: '3600', label: 'The old one works for another hour' },
  { value: '86400', label: 'The old one works for another day' },
  { value: '604800', label: 'The old one works for another 7 days' },
];

export function SecretSection({ webhook }: { webhook: Schemas['Webhook'] }) {
  const [overlap, setOverlap] = useState('86400');
  const rotate = useMutation({
    mutationFn: () => {
      const request = { params: { path: { id: webhook.id } }, body: { overlap_s: Number(overlap) } };
      return got(api.POST('/api/v1/webhooks/{id}/rotate-secret', request));
    },
    onSuccess: () => {
      changed('webhooks');
    },
  });
  // The question must not keep the answer: it holds the secret.
  const act = async () => {
    await rotate.mutateAsync();
  };
  return (
    <Section title="Secret">
      <Text size="sm">
        The secret cannot be shown again. Where it is lost, or somebody else may know it, make another and paste the new URL
        into your alerts.
      </Text>
      {webhook.previous_secret_valid_until != null && (
        <Text size="sm">
          The old secret still works until <When at={webhook.previous_secret_valid_until} />.
        </Text>
      )}
      <Group align="flex-end">
        <NativeSelect
          data={OVERLAPS}
          label="After rotating"
          onChange={(event) => {
            setOverlap(event.currentTarget.value);
          }}
          value={overlap}
        />
        <Confirm act={act} confirm="Make another secret" label="Rotate secret" size="sm">
          Makes another secret for {webhook.name}. {OVERLAPS.find(({ value }) => value === overlap)?.label}; after that,
          alerts with it get 401 Unauthorized.
        </Confirm>
      </Group>
      {rotate.data !== undefined && (
        <Stack>
          <ShownOnce webhook={rotate.data} />
          <Button
            onClick={() => {
              rotate.reset();
            }}
            variant="default"
            w="fit-content"
          >
            I have saved them
          </Button>
        </Stack>
      )}
    </Section>
  );
}

export function DeleteSection({ webhook }: { webhook: Schemas['Webhook'] }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const linked = useLinked(webhook.id).data?.items ?? [];
  const remove = async () => {
    await got(api.DELETE('/api/v1/webhooks/{id}', { params: { path: { id: webhook.id } } }));
    await navigate({ to: '/webhooks' });
    queries.removeQueries({ queryKey: ['webhooks', webhook.id] });
    changed('webhooks', 'webhook names', 'strategies', 'plan');
  };
  return (
    <Section
      beside={
        <Confirm about={webhook.name} act={remove} confirm="Delete" label="Delete">
          Its URL answers 404 Not Found from now on, for good.{' '}
          {linked.length > 0 &&
            `${linked.map(({ name }) => name).join(', ')} ${linked.length === 1 ? 'is' : 'are'} paused, and open positions stay open. `}
          Its logs and signals stay on record.
        </Confirm>
      }
      title="Delete this webhook"
    >
      <Text size="sm">To stop it for a while, switch it off instead: its URL stays the same.</Text>
    </Section>
  );
}
