"use strict";

// Works through a number of items until it is asked to stop; then it answers with what it has done so far.
exports.main_handler = async (event, context) => {
  let stopAsked = false;
  process.once("SIGTERM", () => {
    console.log("asked to stop, finishing the current item");
    stopAsked = true;
  });

  let done = 0;
  while (done < event.items && !stopAsked) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    done += 1;
    console.log(`request ${context.request_id}: item ${done} is done`);
  }
  return { done, complete: !stopAsked };
};
