/** Every reason the program gives: what it means and what to do. */
import { Anchor, Container, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useLocation } from '@tanstack/react-router';
import type { ReactNode } from 'react';

import { codesQuery } from '../api/codes';
import { Empty, Loading, Refusal } from '../parts/state';

export function HelpPage(): ReactNode {
  // Read from the path: the router's own types come from the routes, which come from this page.
  const { pathname } = useLocation();
  const code = pathname.split('/')[2];
  const codes = useQuery(codesQuery);
  if (codes.isPending) {
    return <Loading />;
  }
  if (codes.isError) {
    return <Refusal error={codes.error} retry={() => void codes.refetch()} />;
  }
  const shown = codes.data.items.filter((item) => code === undefined || item.code === code);
  return (
    <Container component="main" py="xl" size="md">
      <Stack>
        <Title order={1}>{code ?? 'What the reasons mean'}</Title>
        {shown.length === 0 && <Empty>There is no reason of this name.</Empty>}
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Reason</Table.Th>
              <Table.Th>What it means</Table.Th>
              <Table.Th>What to do</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((item) => (
              <Table.Tr key={item.code}>
                <Table.Td>
                  <Text ff="monospace">{item.code}</Text>
                </Table.Td>
                <Table.Td>{item.meaning}</Table.Td>
                <Table.Td>{item.remedy}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Anchor href={code === undefined ? '/' : '/help'}>{code === undefined ? 'Back' : 'All reasons'}</Anchor>
      </Stack>
    </Container>
  );
}
