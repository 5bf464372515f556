/** What a new webhook, or a new secret, is shown with: once. */
import { Alert, Stack, Text } from '@mantine/core';

import type { Schemas } from '../api/client';
import { CopyField } from './copy_field';

export function ShownOnce({ webhook }: { webhook: Schemas['WebhookWithSecret'] }) {
  return (
    <Stack gap="sm">
      <Alert color="yellow" title="Copy these now">
        The secret, and the URL with it, are not shown again.
      </Alert>
      <CopyField label="Webhook URL" value={webhook.url} />
      <CopyField label="Token" value={webhook.token} />
      <CopyField label="Secret" value={webhook.secret} />
      <Text size="sm">Paste the URL into TradingView under Notifications, Webhook URL.</Text>
    </Stack>
  );
}
