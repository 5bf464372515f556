/** Every request to a webhook's URL, as it comes. */
import { Code, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { codesQuery } from '../../api/codes';
import { duration } from '../../format/times';
import { pagingOf, useSearchParts } from '../../parts/address';
import { type Column, List } from '../../parts/list';
import { To } from '../../parts/to';
import { Reason } from '../../parts/values';
import { When } from '../../parts/zone';

/** The codes that the receiver answers with stand before this one in the list of all. */
const AFTER_THE_RECEIVERS = 'filled';

/** How much of a payload is shown without unfolding it, in characters. */
const FOLDED = 80;

const COLUMNS: readonly Column<Schemas['Delivery']>[] = [
  { head: 'Time', cell: ({ received_at }) => <When at={received_at} /> },
  {
    head: 'Status',
    cell: ({ status }) => (
      <Text c={status < 300 ? 'var(--profit)' : 'var(--loss)'} className="moment" fw={600} inherit span>
        {status}
      </Text>
    ),
  },
  {
    head: 'Reason',
    wide: true,
    cell: (delivery) => (
      <>
        <Reason code={delivery.code}>{delivery.detail}</Reason>
        {delivery.suppressed > 0 && (
          <Text c="dimmed" size="xs">
            and {delivery.suppressed} more like it, too fast to be logged one by one
          </Text>
        )}
      </>
    ),
  },
  { head: 'IP', cell: ({ remote_ip }) => <span className="moment">{remote_ip ?? '–'}</span> },
  {
    head: 'Payload',
    wide: true,
    cell: ({ payload }) => (payload == null ? '–' : <Payload text={payload} />),
  },
  { head: 'Duration', figure: true, cell: ({ duration_us }) => duration(duration_us) },
  {
    head: 'Signal',
    cell: ({ signal_id }) => (signal_id == null ? '–' : <To inherit to={`/signals/${signal_id}`}>{signal_id}</To>),
  },
];

export function Logs({ webhook }: { webhook: Schemas['Webhook'] }) {
  const [{ outcome, cursor }, change] = useSearchParts('outcome', 'cursor');
  const logs = useQuery({
    queryKey: ['deliveries', webhook.id, outcome, cursor],
    placeholderData: keepPreviousData,
    queryFn: () => {
      const query = { ...(outcome !== undefined && { outcome }), ...(cursor !== undefined && { cursor }) };
      return got(api.GET('/api/v1/webhooks/{id}/logs', { params: { path: { id: webhook.id }, query } }));
    },
  });
  return (
    <Stack>
      <Group>
        <OutcomeChoice
          pick={(picked) => {
            change({ outcome: picked, cursor: undefined });
          }}
          value={outcome ?? ''}
        />
      </Group>
      <List
        columns={COLUMNS}
        empty={
          outcome === undefined
            ? 'No request yet. Send an alert to its URL, and it shows here at once, refused or not.'
            : 'No request of this kind.'
        }
        keyOf={({ id }) => id}
        label={`Logs of ${webhook.name}`}
        minWidth={980}
        paging={pagingOf(cursor, change)}
        query={logs}
      />
    </Stack>
  );
}

/** Longer ones are folded: the first of it stands for all. */
function Payload({ text }: { text: string }) {
  if (text.length <= FOLDED) {
    return <Code className="payload">{text}</Code>;
  }
  return (
    <details>
      <summary>
        <Code>{text.slice(0, FOLDED)} …</Code>
      </summary>
      <Code block className="payload">
        {text}
      </Code>
    </details>
  );
}

function OutcomeChoice({ value, pick }: { value: string; pick: (value: string) => void }) {
  const codes = useQuery(codesQuery).data?.items.map(({ code }) => code) ?? [];
  const receivers = codes.slice(0, codes.indexOf(AFTER_THE_RECEIVERS)).filter((code) => code !== 'accepted' && code !== 'replayed');
  return (
    <NativeSelect
      data={[
        { value: '', label: 'All requests' },
        { value: 'accepted', label: 'Accepted' },
        { value: 'replayed', label: 'Repeats' },
        { value: 'refused', label: 'Refused, whatever the reason' },
        { group: 'Refused with', items: receivers },
      ]}
      label="Outcome"
      onChange={(event) => {
        pick(event.currentTarget.value);
      }}
      size="xs"
      value={value}
    />
  );
}
