/** Every reason the program gives: what it means and what to do. Read without being signed in. */
import { Anchor, Button, Container, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useLocation } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';

import type { Schemas } from '../../api/client';
import { codesQuery } from '../../api/codes';
import { grouped } from '../../format/codes';
import { Empty, Loading, Refusal } from '../../parts/state';
import { To } from '../../parts/to';
import { Troubleshooting } from './troubleshooting';

type Explanation = Schemas['CodeExplanation'];

export function HelpPage(): ReactNode {
  const code = useLocation().pathname.split('/')[2];
  const codes = useQuery(codesQuery);
  useDocumentTitle(`${code ?? 'Help'} · Atomik`);
  return (
    <Container component="main" py="xl" size="md">
      <Stack>
        <Group gap="md">
          <To to="/">Back to Atomik</To>
          {code !== undefined && <To to="/help">All reasons</To>}
        </Group>
        {codes.isPending && <Loading />}
        {codes.isError && <Refusal error={codes.error} retry={() => void codes.refetch()} />}
        {codes.data !== undefined &&
          (code === undefined ? <AllReasons codes={codes.data.items} /> : <OneReason code={code} codes={codes.data.items} />)}
      </Stack>
    </Container>
  );
}

function OneReason({ code, codes }: { code: string; codes: readonly Explanation[] }) {
  const found = codes.find((item) => item.code === code);
  return (
    <>
      <Title ff="monospace" order={1} style={{ overflowWrap: 'anywhere' }}>
        {code}
      </Title>
      {found === undefined ? (
        <Empty>There is no reason of this name.</Empty>
      ) : (
        <>
          <Title order={2} size="h4">
            What it means
          </Title>
          <Text>{found.meaning}</Text>
          <Title order={2} size="h4">
            What to do
          </Title>
          <Text>{found.remedy}</Text>
          <Troubleshooting code={code} />
        </>
      )}
    </>
  );
}

function AllReasons({ codes }: { codes: readonly Explanation[] }) {
  const [sought, setSought] = useState('');
  const words = sought.toLowerCase();
  const found = codes.filter(({ code, meaning }) => `${code} ${meaning}`.toLowerCase().includes(words));
  return (
    <>
      <Title order={1}>Help</Title>
      <Troubleshooting />
      <Group align="flex-end">
        <TextInput
          label="Find a reason"
          onChange={(event) => {
            setSought(event.currentTarget.value);
          }}
          placeholder="secret, position, halted …"
          value={sought}
          w={280}
        />
        {sought !== '' && (
          <Button
            onClick={() => {
              setSought('');
            }}
            variant="subtle"
          >
            Show all
          </Button>
        )}
      </Group>
      {found.length === 0 && <Empty>No reason has these words.</Empty>}
      {grouped(found).map(({ title, items }) => (
        <section key={title}>
          <Title order={2} size="h4">
            {title}
          </Title>
          <Reasons items={items} label={title} />
        </section>
      ))}
    </>
  );
}

function Reasons({ items, label }: { items: readonly Explanation[]; label: string }) {
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Reason</Table.Th>
            <Table.Th>What it means</Table.Th>
            <Table.Th>What to do</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((item) => (
            <Table.Tr key={item.code}>
              <Table.Td>
                <Anchor ff="monospace" href={`/help/${item.code}`} inherit>
                  {item.code}
                </Anchor>
              </Table.Td>
              <Table.Td>{item.meaning}</Table.Td>
              <Table.Td>{item.remedy}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
