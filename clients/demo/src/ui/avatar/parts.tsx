// The parts of a face, in a square of 64 units.

import type { JSX } from "react";

import type { Eyes, Face, Hair, Mouth } from "./face";

const INK = "#2a2023";

/** Behind the head. */
const BEHIND: Partial<Record<Hair, string>> = {
  long: "M13.5 30C12.5 12 21 6 32 6s19.5 6 18.5 24c0 8 .5 15 1.5 21-4 4-9 4.5-12 3H24c-3 1.5-8 1-12-3 1-6 1.5-13 1.5-21Z",
  bob: "M14 29C12 12 22 6.5 32 6.5S52 12 50 29c-.4 5 .2 9 .8 13-2.3 2.5-6 3-8.8 1.5H22C19.2 45 15.5 44.5 13.2 42c.6-4 1.2-8 .8-13Z",
  tail: "M43 13c11-1 14 11 11.5 20-1 4-3 8-5.5 10 .6-8-1-16-6-21Z",
  bun: "M23 8.5a9 7 0 1 1 18 0 9 7 0 0 1-18 0Z",
};

/** Over the forehead. */
const FRONT: Partial<Record<Hair, string>> = {
  crop: "M17 28C14.5 13 24 7 33 7.5 43 8 49.5 15 47 28c-.8-4.5-2.5-8-5.5-10C34 20 25.5 19.5 22 17.5c-2.5 2.3-4.2 6-5 10.5Z",
  parted: "M16.8 29C13 12.5 25 6 34.5 7.3 45 8.5 50 17.5 47.2 29c-.7-5-2.7-8.5-5.7-10.5C34 19 28 17 25.5 13c-1.5 5.5-7.2 7.5-8.7 16Z",
  quiff: "M17.5 27C14.5 17 17 9 27 6.5c4-1 3-2.5 8-2.5C45 4 50 12 46.5 27c-.8-4.8-3-8.5-7-10.3-8 1.3-14-.7-17-2.7-2.7 3-4.2 7.5-5 13Z",
  buzz: "M17.8 27C17 14.5 24 10 32 10s15 4.5 14.2 17c-1-6.5-5-10-14.2-10s-13.2 3.5-14.2 10Z",
  bun: "M17.3 28C14.5 14 23 8.5 32 8.5S49.5 14 46.7 28C45.5 20.5 41 16.8 32 16.8S18.5 20.5 17.3 28Z",
  tail: "M17 29C14 14 23 8 32 8s18 6 15 21c-1-7-4.5-11-11-12.3C32 20 22.5 21 17 29Z",
  long: "M16.5 31C14 13 23 8 32 8s18 5 15.5 23C46.5 23 41 20 34.5 13.5 31 19.5 18.5 21 16.5 31Z",
  bob: "M16.8 29C15 13 23 8 32 8s17 5 15.2 21c-2-3.5-4-6-5.2-6.5-6.5 1.3-13.5 1.3-20 0-1.2.5-3.2 3-5.2 6.5Z",
};

/** The bumps of curls: x, y and radius. */
const CURLS = [[17.5, 24, 5.5], [19, 16, 6], [25.5, 10.5, 6.5], [33, 8.5, 6.5], [40, 11, 6.3], [45.5, 17, 5.8], [47, 25, 5]] as const;

export function Behind({ hair, hairColour, clothes, second }: Face): JSX.Element | null {
  if (hair === "scarf") return <path fill={clothes === second ? hairColour : second} d="M12.5 33C11 14 20.5 6 32 6s21 8 19.5 27c-.6 8 1.5 14 3.5 20-7 6-39 6-46 0 2-6 4.1-12 3.5-20Z" />;
  const path = BEHIND[hair];
  return path ? <path fill={hairColour} d={path} /> : null;
}

const MOUTHS: Record<Mouth, JSX.Element> = {
  smile: <path fill="none" stroke={INK} strokeWidth="1.7" d="M27 38.5c2.5 3.6 7.5 3.6 10 0" />,
  grin: <path fill="#fff" stroke={INK} strokeWidth="1.2" d="M26.5 38h11c-.6 3.8-2.8 5.2-5.5 5.2S27.1 41.8 26.5 38Z" />,
  open: <path fill="#8c2f35" d="M26.8 37.8h10.4c-.4 4.4-2.5 6-5.2 6s-4.8-1.6-5.2-6Z" />,
  calm: <path fill="none" stroke={INK} strokeWidth="1.7" d="M28.5 39.5c2.3 1.5 4.7 1.5 7 0" />,
};

const EYES: Record<Eyes, JSX.Element> = {
  round: (
    <g fill={INK}>
      <circle cx="26" cy="30" r="1.9" />
      <circle cx="38" cy="30" r="1.9" />
    </g>
  ),
  happy: <path fill="none" stroke={INK} strokeWidth="1.8" d="M23.8 31c.8-2.4 3.6-2.4 4.4 0M35.8 31c.8-2.4 3.6-2.4 4.4 0" />,
  lashes: (
    <>
      <g fill={INK}>
        <circle cx="26" cy="30.2" r="1.9" />
        <circle cx="38" cy="30.2" r="1.9" />
      </g>
      <path fill="none" stroke={INK} strokeWidth="1.2" d="M22.4 28.6c.8-1.3 2-1.9 3.6-1.9s2.3.4 3 1M41.6 28.6c-.8-1.3-2-1.9-3.6-1.9s-2.3.4-3 1" />
    </>
  ),
};

export function Features({ eyes, mouth, shade, beard, hair, hairColour, freckles }: Face): JSX.Element {
  const brow = hair === "bald" && beard === "none" ? INK : hairColour;
  return (
    <>
      <g fill="#e5484d" opacity="0.17">
        <circle cx="22.5" cy="36" r="3" />
        <circle cx="41.5" cy="36" r="3" />
      </g>
      {freckles && (
        <g fill={shade}>
          {[21.5, 23.5, 40.5, 42.5].map((x) => (
            <circle key={x} cx={x} cy={x % 2 > 1 ? 34.5 : 35.6} r="0.6" />
          ))}
        </g>
      )}
      {beard === "full" && <path fill={hairColour} d="M17.8 30c1.2 3 2.2 5.5 5.2 5.2 3-.3 5-1.7 9-1.7s6 1.4 9 1.7c3 .3 4-2.2 5.2-5.2.6 12-5.2 19-14.2 19S17.2 42 17.8 30Z" />}
      {beard === "moustache" && <path fill={hairColour} d="M32 35.3c2-1 6 .2 7.5 3-2.5.8-5.5.8-7.5-.5-2 1.3-5 1.3-7.5.5 1.5-2.8 5.5-4 7.5-3Z" />}
      {beard === "full" && mouth === "calm" ? MOUTHS.grin : MOUTHS[mouth]}
      <path fill="none" stroke={shade} strokeWidth="1.6" d="M32.5 30.5c-1 2-1.6 3.6.6 4.3" />
      {EYES[eyes]}
      <path fill="none" stroke={brow} strokeWidth="1.6" d="M23 25.6c1.7-1.3 3.8-1.5 5.6-.6M41 25.6c-1.7-1.3-3.8-1.5-5.6-.6" />
    </>
  );
}

function Head({ hair, hairColour, second }: Face): JSX.Element | null {
  if (hair === "curls") {
    return (
      <g fill={hairColour}>
        {CURLS.map(([x, y, radius]) => (
          <circle key={x} cx={x} cy={y} r={radius} />
        ))}
      </g>
    );
  }
  if (hair === "beanie") {
    return (
      <>
        <path fill={second} d="M16.5 23C15.5 11 23 5.5 32 5.5S48.5 11 47.5 23Z" />
        <rect fill={second} x="14.8" y="19" width="34.4" height="6.4" rx="3.2" />
        <rect fill="#fff" opacity="0.22" x="14.8" y="19" width="34.4" height="6.4" rx="3.2" />
      </>
    );
  }
  if (hair === "scarf") return <path fill={second} fillRule="evenodd" d="M13 33C12 14 21 6.5 32 6.5S52 14 51 33c-.4 9-6 17.5-19 18.5C19 50.5 13.4 42 13 33Zm6.5-2.5c0 9.5 5.5 16.5 12.5 16.5s12.5-7 12.5-16.5S39.5 15.5 32 15.5 19.5 21 19.5 30.5Z" />;
  const path = FRONT[hair];
  return path ? <path fill={hairColour} d={path} /> : null;
}

/** Before the face: hair, glasses, what is worn. */
export function Front(face: Face): JSX.Element {
  const { glasses, earrings, collar, clothes, second } = face;
  return (
    <>
      <Head {...face} />
      {glasses === "round" && <path fill="#fff" fillOpacity="0.12" stroke={INK} strokeWidth="1.4" d="M21.3 30.3a4.8 4.8 0 1 0 9.6 0 4.8 4.8 0 1 0-9.6 0ZM33.1 30.3a4.8 4.8 0 1 0 9.6 0 4.8 4.8 0 1 0-9.6 0ZM30.9 29.5c.6-.5 1.6-.5 2.2 0" />}
      {glasses === "square" && <path fill="#fff" fillOpacity="0.12" stroke={INK} strokeWidth="1.6" d="M20.8 27h10v4.5a3 3 0 0 1-3 3h-4a3 3 0 0 1-3-3ZM33.2 27h10v4.5a3 3 0 0 1-3 3h-4a3 3 0 0 1-3-3ZM30.8 28.5h2.4" />}
      {earrings && (
        <g fill="#e9b949">
          <circle cx="17.6" cy="36" r="1.5" />
          <circle cx="46.4" cy="36" r="1.5" />
        </g>
      )}
      {collar === "shirt" && <path fill="#fff" opacity="0.85" d="M24.5 48.3 32 57l-6.5 3.5-4.5-10.5ZM39.5 48.3 32 57l6.5 3.5 4.5-10.5Z" />}
      {collar === "hood" && <path fill="none" stroke={clothes === "#e8e4da" ? second : "#fff"} strokeOpacity="0.3" strokeWidth="2.4" d="M20 51c3 6 21 6 24 0" />}
    </>
  );
}
