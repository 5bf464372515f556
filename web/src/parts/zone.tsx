/** In which zone moments are shown. The choice is kept by the browser. */
import { NativeSelect } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';

import { type Zone, ZONES, dateTime, exactly } from '../format/times';

export function useZone(): [Zone, (zone: Zone) => void] {
  const [zone, setZone] = useLocalStorage<Zone>({ key: 'zone', defaultValue: 'local', getInitialValueInEffect: false });
  return [zone in ZONES ? zone : 'local', setZone];
}

export function ZoneChoice() {
  const [zone, setZone] = useZone();
  return (
    <NativeSelect
      aria-label="Time zone"
      data={Object.entries(ZONES).map(([value, label]) => ({ value, label }))}
      onChange={(event) => {
        setZone(event.currentTarget.value as Zone);
      }}
      size="xs"
      value={zone}
    />
  );
}

/** A moment in the chosen zone; the exact one in UTC on hovering. */
export function When({ at }: { at: string | null | undefined }) {
  const [zone] = useZone();
  if (at == null) {
    return '–';
  }
  return (
    <time className="moment" dateTime={at} title={exactly(at)}>
      {dateTime(at, zone)}
    </time>
  );
}
