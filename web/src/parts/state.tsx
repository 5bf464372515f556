/** What stands where there is nothing to show yet, or nothing at all. */
import { Alert, Anchor, Button, Loader, Stack, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
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
        {code !== undefined && code !== 'offline' && (
          // In a tab of its own: what was typed on this page stays.
          <Anchor href={`/help/${code}`} rel="noreferrer" target="_blank">
            What this means: {code} (opens a new tab)
          </Anchor>
        )}
        {retry !== undefined && (
          <Button onClick={retry} size="xs" variant="default">
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Under a path that no page has. */
export function NoPage() {
  return (
    <Stack align="center" component="main" p="xl">
      <Title order={1}>There is no such page</Title>
      <Anchor component={Link} to="/">
        To the overview
      </Anchor>
    </Stack>
  );
}
