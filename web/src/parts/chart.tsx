/** A line over time. */
import { Anchor, Text, useComputedColorScheme } from '@mantine/core';
import { AreaSeries, type IChartApi, type UTCTimestamp, createChart } from 'lightweight-charts';
import { useEffect, useRef } from 'react';

import { fractionDigits } from '../format/decimals';
import { type Zone, dateTime } from '../format/times';

export interface Point {
  /** RFC 3339. */
  at: string;
  /** A decimal. It becomes a number only to be drawn. */
  value: string;
}

interface ChartProps {
  label: string;
  points: readonly Point[];
  zone: Zone;
}

const COLOURS = {
  light: { text: '#495057', grid: '#e9ecef', line: '#0b7285', fill: 'rgba(11, 114, 133, 0.16)' },
  dark: { text: '#c9c9c9', grid: '#2e2e2e', line: '#3bc9db', fill: 'rgba(59, 201, 219, 0.16)' },
};

/** Seconds since 1970, which the chart counts in. Moments within one second are one to it: the last is drawn. */
function drawn(points: readonly Point[]) {
  const bySecond = new Map(points.map((point) => [Math.floor(Date.parse(point.at) / 1_000), Number(point.value)]));
  return [...bySecond].sort(([one], [other]) => one - other).map(([time, value]) => ({ time: time as UTCTimestamp, value }));
}

function make(place: HTMLElement, zone: Zone, scheme: 'light' | 'dark', digits: number): IChartApi {
  const exactly = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const colours = COLOURS[scheme];
  const inZone = (time: unknown) => dateTime(new Date(Number(time) * 1_000).toISOString(), zone);
  return createChart(place, {
    autoSize: true,
    // Its logo would bring a style that the page's policy refuses: the words below the chart are the attribution.
    layout: { attributionLogo: false, background: { color: 'transparent' }, textColor: colours.text },
    grid: { vertLines: { visible: false }, horzLines: { color: colours.grid } },
    rightPriceScale: { borderVisible: false },
    timeScale: {
      borderVisible: false,
      timeVisible: true,
      tickMarkFormatter: (time: unknown, kind: number) => (kind < 3 ? inZone(time).slice(5, 10) : inZone(time).slice(11, 16)),
    },
    localization: { timeFormatter: inZone, priceFormatter: (price: number) => price.toLocaleString('en', exactly) },
    // A page scrolls by the wheel, also where a chart lies under the pointer.
    handleScroll: { mouseWheel: false },
    handleScale: { mouseWheel: false },
  });
}

export function Chart({ label, points, zone }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    if (place.current === null) {
      return;
    }
    const digits = fractionDigits(points.map(({ value }) => value));
    const chart = make(place.current, zone, scheme, digits);
    const colours = COLOURS[scheme];
    const series = chart.addSeries(AreaSeries, {
      lineColor: colours.line,
      topColor: colours.fill,
      bottomColor: 'transparent',
      lineWidth: 2,
      priceFormat: { type: 'price', precision: digits, minMove: 10 ** -digits },
    });
    series.setData(drawn(points));
    chart.timeScale().fitContent();
    return () => {
      chart.remove();
    };
  }, [points, zone, scheme]);
  return (
    <>
      <div aria-label={label} className="chart" ref={place} role="img" />
      <Text c="dimmed" size="xs">
        Charts by{' '}
        <Anchor href="https://www.tradingview.com/" inherit rel="noreferrer" target="_blank">
          TradingView Lightweight Charts
        </Anchor>
      </Text>
    </>
  );
}
