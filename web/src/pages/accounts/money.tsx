/** What a broker says an account is worth. */
import { Badge } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { balanceQuery } from '../../api/accounts';
import { money } from '../../format/decimals';
import { Facts } from '../../parts/facts';
import { Section } from '../../parts/section';
import { Empty, Loading, Refusal } from '../../parts/state';

/** Prices move without an event. In milliseconds. */
export const PACE = 5_000;

/** In place of what only the broker knows. */
export function Unknown() {
  return <Empty>Not known while the account is not connected.</Empty>;
}

export function Money({ id, connected }: { id: number; connected: boolean }) {
  const balance = useQuery({ ...balanceQuery(id), enabled: connected, refetchInterval: PACE });
  if (!connected) {
    return (
      <Section title="Balance">
        <Unknown />
      </Section>
    );
  }
  const simulated = balance.data?.simulated === true && (
    <Badge className="practice" title="A price that is made up went into the equity" variant="outline">
      Simulated prices
    </Badge>
  );
  return (
    <Section beside={simulated} title="Balance">
      {balance.isPending && <Loading />}
      {balance.isError && <Refusal error={balance.error} retry={() => void balance.refetch()} />}
      {balance.data !== undefined && (
        <Facts
          facts={[
            ['Equity', `${money(balance.data.equity)} ${balance.data.currency}`],
            ['Cash', `${money(balance.data.cash)} ${balance.data.currency}`],
            ['Buying power', `${money(balance.data.buying_power)} ${balance.data.currency}`],
          ]}
        />
      )}
    </Section>
  );
}
