/** Pausing a strategy, and activating it again. */
import { type Schemas, api, got } from '../api/client';
import { changed } from '../api/queries';
import { Confirm } from './confirm';

type Paused = Pick<Schemas['Strategy'], 'id' | 'name'>;

export async function setActive({ id }: Paused, active: boolean): Promise<void> {
  await got(api.PATCH('/api/v1/strategies/{id}', { params: { path: { id } }, body: { active } }));
  changed('strategies', 'plan');
}

export function PauseMeans({ name }: Paused) {
  return (
    <>
      {name} ignores every alert until you activate it again, exits among them. Orders that have not been sent yet are not
      sent. What is at the broker stays, and so does a position that it holds: flatten it if it should not.
    </>
  );
}

export function Pause({ strategy }: { strategy: Paused }) {
  return (
    <Confirm about={strategy.name} act={() => setActive(strategy, false)} confirm="Pause" label="Pause">
      <PauseMeans {...strategy} />
    </Confirm>
  );
}
