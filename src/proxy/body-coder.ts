import type { BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";

/** Where the bytes go that a coder makes, and who is slowed down while it works. */
export interface CoderOwner {
  /** Bytes came out. They are borrowed. */
  onCoded(bytes: Buffer, start: number, end: number): void;
  onCodedEnd(): void;
  /** It has as much as it takes at once: nothing should be pushed until `onCoderIdle`; what is pushed all the same waits. */
  onCoderBusy(): void;
  onCoderIdle(): void;
  /** Nothing comes out any more. @param error a `ProxyError` where it is known whose fault that is */
  onCoderFailed(error: Error): void;
}

/** Makes another body of a body while it passes, as one that is compressed. It may answer at once, or take its time. */
export interface BodyCoder {
  /** Takes borrowed bytes in. */
  push(bytes: Buffer, start: number, end: number): void;
  /** That was all. */
  end(): void;
  /** Nobody wants what still comes: all that it holds is let go. */
  stop(): void;
  /** What comes out can't be taken: nothing more should until `resume`. */
  pause(): void;
  resume(): void;
}

/** Opens a coder for one body. */
export type OpenCoder = (owner: CoderOwner) => BodyCoder;

/** One way to code bodies. */
export interface BodyCoding {
  /** Tells it from all other ways: what it has made of a body is what it would make of it again, or as good. */
  readonly name: string;
  /** How bodies are coded that are kept to be sent again and again, which may be worth more work; itself where that is the same. */
  readonly forCopies: BodyCoding;
  /** Whether a client may as well wait until all of a body is coded: some 25 ms for a MiB. */
  readonly isQuick: boolean;
  /** @param length of the body; null: nobody knows */
  open(owner: CoderOwner, length: number | null): BodyCoder;
}

/** How the bodies of a session's response are coded: the same for all sessions of a route */
export interface SessionCoding {
  /**
   * Looks at the head of a server's response, before any phase does, and changes it where its body is to be decoded.
   * @returns null when the body stays as it is
   */
  decode(request: RequestHead, head: ResponseHead): OpenCoder | null;
  /**
   * Looks at a response's head as the client is about to get it, whoever made it, and changes it where its body is to be coded.
   * @param length of the body before that
   * @returns null when the body stays as it is
   */
  encode(request: RequestHead, head: ResponseHead, length: BodyLength): BodyCoding | null;
  /** What `encode` would return, of a head that stays as it is. */
  choose(request: RequestHead, head: ResponseHead, length: BodyLength): BodyCoding | null;
}
