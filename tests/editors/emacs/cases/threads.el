;;; threads.el --- Conversations: kept, picked, continued  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Code:

(require 'lb-chat)

(defun lb-hello ()
  "A recording that says hello."
  (list (lb-then "hello") (lb-says "Hello again.")))

(defun lb-said-hello ()
  "Ask for a hello, and wait for it."
  (lanebridge-ask "hello")
  (should (equal (lb-turn) "completed"))
  (lb-wait-chat "Hello again."))

(ert-deftest thread-asked-again ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-said-hello)
    (lanebridge-retry)
    (should (equal (lb-turn 2) "completed"))
    (lb-wait "the second answer" (= 2 (lb-count "Hello again." (lb-chat))))))

(ert-deftest thread-renamed-forked-picked-exported ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-said-hello)
    (lanebridge-thread-rename "A better title")
    (lb-wait-chat "# A better title\n")
    (lanebridge-fork)
    (lb-wait "two conversations" (= 2 (length (lanebridge-chat-buffers))))
    (lb-choosing 1 (lanebridge-threads)
      (lb-wait "the picker" lb-offered))
    (should (= 2 (length lb-offered)))
    (should (string-search "A better title" (string-join lb-offered "\n")))
    (lanebridge-thread-export "markdown")
    (lb-wait "the export"
      (let ((buffer (get-buffer "*Lanebridge export*")))
        (and buffer (with-current-buffer buffer (string-search "Hello again." (buffer-string))))))
    (setq lb-offered nil)
    (lb-choosing 0 (lanebridge-threads "better" t)
      (lb-wait "the picker" lb-offered))))

(ert-deftest thread-archived-and-deleted ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-said-hello)
    (lanebridge-thread-archive)
    (lb-wait "it to be gone" (null (lanebridge-chat-buffers)))
    (lanebridge-threads)
    (lb-wait-message "no conversation in this folder yet")
    (lanebridge-ask "hello")
    (should (equal (lb-turn 2) "completed"))
    (lb-choosing 1 (lanebridge-thread-delete)
      (lb-wait "the question" lb-offered))
    (lb-wait "it to be gone" (null (lanebridge-chat-buffers)))))

(ert-deftest thread-mode-model-effort ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-open-chat)
    (lanebridge-set-mode "plan")
    (lb-wait-message "mode: plan, from the next turn on")
    (lanebridge-set-model "small")
    (lb-wait-message "model: small, from the next turn on")
    (lanebridge-set-effort "high")
    (lb-wait-message "effort: high")
    (should (string-search "small · high · plan" (lanebridge-status-header)))))

(ert-deftest thread-what-a-prompt-would-send-and-what-was-sent ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-said-hello)
    (lanebridge-preview "look at @a.c")
    (lb-wait "the preview"
      (let ((buffer (get-buffer "*Lanebridge preview*")))
        (and buffer (with-current-buffer buffer (string-search "named only" (buffer-string))))))
    (lanebridge-sent)
    (lb-wait "what was sent"
      (let ((buffer (get-buffer "*Lanebridge sent*")))
        (and buffer (with-current-buffer buffer
                      (string-match-p "turn to" (buffer-string))))))
    (lanebridge-status)
    (lb-wait "the status"
      (let ((buffer (get-buffer "*Lanebridge status*")))
        (and buffer (with-current-buffer buffer
                      (string-match-p "^key +environment" (buffer-string))))))))

(ert-deftest thread-the-server-is-killed-and-the-turn-continues ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "long") (lb-runs "r" "echo begun")
                             (lb-runs "q" "sleep 20") (lb-says "All of it.")))
    (lanebridge-ask "long")
    (lb-wait-chat "sleep 20")
    (signal-process (jsonrpc--process (lanebridge-server-connection (lanebridge-server))) 'kill)
    (lb-wait-chat "the server ended while this turn ran")
    (lb-wait-chat "lets it go on")
    (lb-wait "the next server" (lanebridge-connected-p))
    (lanebridge-continue)
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "All of it.")
    (should-not (string-search "lets it go on" (lb-chat)))))

(ert-deftest thread-history-is-there-after-a-restart ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-said-hello)
    (lanebridge-stop)
    (mapc #'kill-buffer (lanebridge-chat-buffers))
    (lb-forget)
    (lb-open-chat)
    (lb-wait-chat "Hello again.")
    (lb-wait-chat "## You\nhello")
    (should (= (point) (point-max)))))

(ert-deftest thread-cut-off-with-emacs-continues-later ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "long") (lb-runs "r" "echo begun")
                             (lb-runs "q" "sleep 20") (lb-says "All of it.")))
    (lanebridge-ask "long")
    (lb-wait-chat "sleep 20")
    ;; As if Emacs had been killed: nothing says goodbye.
    (setf (lanebridge-server-expected (lanebridge-server)) t)
    (signal-process (jsonrpc--process (lanebridge-server-connection (lanebridge-server))) 'kill)
    (lb-wait "its end" (not (lanebridge-server)))
    (mapc #'kill-buffer (lanebridge-chat-buffers))
    (lb-forget)
    (lb-open-chat)
    (lb-wait-chat "The last turn was cut off")
    (lb-wait-chat "## You\nlong")
    (goto-char (point-min))
    (lb-keys "C")
    (lb-wait-chat "All of it.")
    (should (equal (lb-turn) "completed"))))

(ert-deftest thread-the-connection-is-said-as-it-is ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-said-hello)
    (lb-open-chat)
    (lb-wait "it to be said" (string-match-p "idle\\|ready\\|ask" (lanebridge-status-header)))
    (delete-process (get-process "endpoint"))
    (lb-keys "hello RET")
    (lb-wait "what is true" (string-search "offline" (concat (lanebridge-status-header)
                                                             (lanebridge-status-line))))
    (lanebridge-interrupt)
    (lb-turn 2)
    (lanebridge-stop)
    (lb-wait "the end to be said"
      (string-search "server not running" (lanebridge-status-header)))))

(ert-deftest thread-taken-over-from-another-process ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-hello))
    (lb-said-hello)
    ;; A second server beside the first one, as another editor has it.
    (let ((other (lanebridge-server)) (choices '(0 1)))
      (setq lanebridge--servers nil)
      (mapc #'kill-buffer (lanebridge-chat-buffers))
      (lb-forget)
      (lb-choosing (pop choices) (lanebridge-threads)
        (lb-wait "both questions" (null choices)))
      (should (member "Take it over from the other editor" lb-offered))
      (lb-go-to-chat)
      (lb-wait-chat "Hello again.")
      (lb-keys "hello RET")
      (should (equal (lb-turn 2) "completed"))
      (setf (lanebridge-server-expected other) t)
      (jsonrpc-shutdown (lanebridge-server-connection other)))))

(ert-deftest thread-without-a-key-there-is-something-to-choose ()
  (lb-session (:files lb-program-files :open "a.c")
    (lb-open-chat)
    (let ((id (lanebridge-thread-id lanebridge-view-thread)))
      (lanebridge-state--turn-started (list :threadId id :turnId "u" :text "hello"))
      (lanebridge-state--turn-completed
       (list :threadId id :turnId "u" :status "failed" :error "There is no key." :code "no-key"
             :choices [(:id "enterKey" :title "Enter the key")
                       (:id "localModel" :title "Use a local model")]))
      (lb-wait-chat "Failed: There is no key.\n- Enter the key\n- Use a local model\n")
      (let (asked)
        (cl-letf (((symbol-function 'lanebridge-thread--choice)
                   (lambda (id &rest _) (setq asked id))))
          (goto-char (point-min))
          (lb-choosing 1 (lb-keys "!")
            (should (equal asked "localModel"))))))))

(provide 'threads)
;;; threads.el ends here
