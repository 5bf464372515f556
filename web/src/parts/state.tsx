/** What stands where there is nothing to show yet, or nothing at all. */
import { Alert, Anchor, Button, Loader, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

import { Problem } from '../api/client';

export function Loading() {
  return <Loader aria-label="Loading" />;
}

export function Empty({ children }: { children: ReactNode }) {
  return (
    <Text c="dimmed" py="xl" ta="center">
      {children}
    </Text>
  );
}

/** What went wrong, what to do about it, and a way to try again. */
export function Refusal({ error, retry }: { error: Error; retry?: () => void }) {
  const code = error instanceof Problem ? error.code : undefined;
  return (
    <Alert color="red" role="alert" title={error.message}>
      <Stack align="flex-start" gap="xs">
        {code !== undefined && code !== 'offline' && <Anchor href={`/help/${code}`}>What this means: {code}</Anchor>}
        {retry !== undefined && (
          <Button onClick={retry} size="xs" variant="default">
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}
