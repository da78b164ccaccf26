"""A function that calls another service: what that answers is up to the test, and when."""


def test_what_the_store_answers(scf_runtime):
    fn = scf_runtime.deploy("functions/uploader")
    put = fn.stub("cos.put_object")
    put.return_value = {"ETag": "abc"}
    assert fn.invoke({"key": "june.csv"}).return_value == "abc"
    put.assert_called_once_with(Bucket="reports", Key="june.csv", Body=b"...")
    put.side_effect = OSError("the bucket is full")
    result = fn.invoke({"key": "june.csv"})
    assert result.status_code == 430
    assert "the bucket is full" in result.error_message


def test_it_is_terminated_while_it_uploads(scf_runtime):
    fn = scf_runtime.deploy("functions/uploader", async_run=True)
    put, abort = fn.stub("cos.put_object"), fn.stub("cos.abort_upload")
    with put.held() as call:
        event = fn.invoke_async({"key": "june.csv"})
        call.wait()
        event.terminate(graceful=True)
        event.assert_finished(None)
    abort.assert_called_once_with(Bucket="reports", Key="june.csv")
