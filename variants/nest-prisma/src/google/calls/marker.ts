/**
 * Whether an entity at Google is the one with this marker, by its name: `Order (marker)`, or `Tracking marker` from release
 * 0.2.0. The name may contain the marker of another entity before that, so its end counts.
 */
export function hasMarker(name: string | null | undefined, marker: string): boolean {
  return name?.endsWith(`(${marker})`) === true || name === `Tracking ${marker}`;
}
