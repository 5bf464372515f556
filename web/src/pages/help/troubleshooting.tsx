/** The guide's troubleshooting table: from what one sees to what one does. */
import { Group, Table, Title } from '@mantine/core';
import type { ReactNode } from 'react';

import { To } from '../../parts/to';

interface Problem {
  seen: string;
  remedy: ReactNode;
  /** The reasons that the logs show with it. */
  codes: readonly string[];
}

const PROBLEMS: readonly Problem[] = [
  {
    seen: 'An alert fires but no trade executes',
    remedy:
      'Check the webhook’s logs for errors. Verify that the secret in the URL is correct. Confirm that the webhook is linked to an active strategy with a connected broker account.',
    codes: ['no_active_strategy', 'account_unavailable', 'nothing_to_exit', 'position_limit', 'halted'],
  },
  {
    seen: '401 Unauthorized',
    remedy:
      'The secret is missing or wrong. Copy the URL again, ?secret= included; where the secret is lost, rotate it under Edit.',
    codes: ['secret_required', 'invalid_secret'],
  },
  {
    seen: '403 Forbidden',
    remedy: 'The sender’s IP is not in the webhook’s allowed IPs, or the subscription is inactive. Check both.',
    codes: ['ip_not_allowed', 'subscription_inactive'],
  },
  {
    seen: '429 Too Many Requests',
    remedy: 'More than 10 requests came within one second. Reduce the alert frequency.',
    codes: ['rate_limited'],
  },
  {
    seen: '404 Not Found',
    remedy: 'The webhook’s token is wrong, or the webhook is deleted or switched off. Verify the URL.',
    codes: ['webhook_not_found'],
  },
  {
    seen: 'Duplicate trades',
    remedy:
      'The repeat window of 1 second catches the same alert sent twice. If duplicates persist, check that the alert does not fire several times per bar: use “Once Per Bar Close”, or lengthen the window under Edit.',
    codes: ['replayed'],
  },
];

/** All of it, or what is about one reason. */
export function Troubleshooting({ code }: { code?: string }) {
  const shown = PROBLEMS.filter(({ codes }) => code === undefined || codes.includes(code));
  if (shown.length === 0) {
    return null;
  }
  return (
    <section>
      <Title order={2} size="h4">
        Troubleshooting
      </Title>
      <Table.ScrollContainer minWidth={560}>
        <Table aria-label="Troubleshooting">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Problem</Table.Th>
              <Table.Th>Solution</Table.Th>
              <Table.Th>Reasons in the logs</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map(({ seen, remedy, codes }) => (
              <Table.Tr key={seen}>
                <Table.Td fw={600}>{seen}</Table.Td>
                <Table.Td>{remedy}</Table.Td>
                <Table.Td>
                  <Group gap={8}>
                    {codes.map((reason) => (
                      <To ff="monospace" key={reason} size="xs" to={`/help/${reason}`}>
                        {reason}
                      </To>
                    ))}
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
