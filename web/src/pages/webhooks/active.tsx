/** Whether a webhook takes alerts. */
import { Switch } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { Refusal } from '../../parts/state';

export function ActiveSwitch({ webhook, label }: { webhook: Schemas['Webhook']; label?: string }) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (active: boolean) =>
      got(api.PATCH('/api/v1/webhooks/{id}', { params: { path: { id: webhook.id } }, body: { active } })),
    onSettled: () =>
      Promise.all(['webhooks', 'plan'].map((key) => queries.invalidateQueries({ queryKey: [key] }))),
  });
  return (
    <>
      <Switch
        aria-label={`${webhook.name} takes alerts`}
        checked={webhook.active}
        disabled={change.isPending}
        label={label}
        onChange={(event) => {
          change.mutate(event.currentTarget.checked);
        }}
      />
      {change.error !== null && <Refusal error={change.error} />}
    </>
  );
}
