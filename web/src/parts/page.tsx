/** What every page begins with. */
import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

interface PageProps {
  title: string;
  /** The list that the page's thing stands in. */
  under?: { label: string; to: string };
  /** Shown beside the title, badges for example. */
  beside?: ReactNode;
  /** Buttons on the right. */
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, under, beside, actions, children }: PageProps) {
  useDocumentTitle(`${title} · Atomik`);
  return (
    <Stack>
      <div>
        {under !== undefined && (
          <Breadcrumbs>
            <Anchor component={Link} size="sm" to={under.to}>
              {under.label}
            </Anchor>
            <Text size="sm">{title}</Text>
          </Breadcrumbs>
        )}
        <Group justify="space-between">
          <Group gap="sm">
            <Title order={1} size="h2">
              {title}
            </Title>
            {beside}
          </Group>
          {actions !== undefined && <Group gap="xs">{actions}</Group>}
        </Group>
      </div>
      {children}
    </Stack>
  );
}
