// A face drawn from an id: the same id has the same face everywhere, and no image is loaded.

import { memo, type CSSProperties, type JSX } from "react";

import { faceOf, type Looks } from "./avatar/face";
import { Features, Front, Behind } from "./avatar/parts";
import "./avatar.css";

export interface AvatarProps {
  /** The person's id. */
  seed: number | string;
  /** Read by screen readers; empty where the name stands beside the face. */
  name: string;
  /** Width in pixels. Default: 40. */
  size?: number | undefined;
  /** A ring around the face. `true`: in the page's hue. */
  ring?: boolean | "good" | "warn" | "bad" | "muted" | undefined;
  /** What is known of the person. */
  looks?: Looks | undefined;
}

export const Avatar = memo(function Avatar({ seed, name, size = 40, ring = false, looks }: AvatarProps): JSX.Element {
  const face = faceOf(seed, looks);
  return (
    <svg
      className="avatar"
      viewBox="0 0 64 64"
      width={size}
      height={size}
      data-ring={ring === true ? "hue" : ring || undefined}
      style={{ "--avatar-hue": face.backdrop } as CSSProperties}
      {...(name ? { role: "img", "aria-label": name } : { "aria-hidden": true })}
    >
      <rect className="avatar-backdrop" width="64" height="64" />
      <Behind {...face} />
      <path fill={face.clothes} d="M6 66C6 53 17 48.5 32 48.5S58 53 58 66Z" />
      <path fill={face.shade} d="M25.5 38h13v9.5a6.5 6.5 0 0 1-13 0Z" />
      <circle fill={face.skin} cx="18" cy="31" r="3.6" />
      <circle fill={face.skin} cx="46" cy="31" r="3.6" />
      <path fill={face.skin} d={face.head} />
      <Features {...face} />
      <Front {...face} />
    </svg>
  );
});
