import type { Problem } from "./shapes";

/**
 * Why a call gave nothing: the API said so (`problem`), or it could not be reached or understood.
 *
 * The message is fit to be shown: it is the API's own `detail`, or says in plain words what to do.
 */
export class Failure extends Error {
  readonly status: number | null;
  readonly code: string;
  /** The field of the request that was refused, where it was one. */
  readonly field: string | null;

  constructor(message: string, code: string, status: number | null, field: string | null = null) {
    super(message);
    this.name = "Failure";
    this.code = code;
    this.status = status;
    this.field = field;
  }

  static unreachable(): Failure {
    return new Failure(
      "The server does not answer. Check that it is running and that this device is online.",
      "unreachable",
      null,
    );
  }

  static fromAnswer(status: number, body: unknown): Failure {
    if (isProblem(body)) {
      return new Failure(body.detail, body.code, status, body.field ?? null);
    }
    return new Failure(`The server answered with status ${status}.`, "unexpected", status);
  }

  get isUnauthenticated(): boolean {
    return this.status === 401;
  }
}

function isProblem(body: unknown): body is Problem {
  if (typeof body !== "object" || body === null) return false;
  const { detail, code } = body as Partial<Problem>;
  return typeof detail === "string" && typeof code === "string";
}

/** What to show for anything that was thrown. */
export function words(error: unknown): string {
  return error instanceof Failure
    ? error.message
    : "Something unexpected went wrong. Reload the page.";
}
