;;; lb-chat.el --- What the cases of the chat use  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Code:

(require 'harness)
(require 'lanebridge-work)
(require 'lanebridge-doctor)
(require 'lanebridge-approval)

(defconst lb-program-files '(("a.c" . "int main(void)\n{\n    return 1;\n}\n"))
  "A folder with one small file.")

(defvar lb-offered nil "What was offered to choose from.")

(defun lb-forget ()
  "Forget what sessions before have left."
  (clrhash lanebridge-state--threads)
  (setq lanebridge-state-last nil
        lanebridge-state-connection nil
        lanebridge-ask--current nil
        lanebridge-mention--cache nil
        lanebridge-mention-prompts nil
        lanebridge-approval--queue nil))

(advice-add 'lb--close :after (lambda (&rest _) (lb-forget)))

(defun lb-chat ()
  "The text of the chat."
  (let ((buffer (car (lanebridge-chat-buffers))))
    (if buffer
        (with-current-buffer buffer
          (buffer-substring-no-properties (point-min) (point-max)))
      "")))

(defun lb-wait-chat (text)
  "Wait until the chat has TEXT."
  (lb-wait (concat "the chat to say: " text) (string-search text (lb-chat))))

(defun lb-go-to-chat ()
  "Wait until the chat's window is selected, and make its buffer the current one."
  (lb-wait "the chat"
    (buffer-local-value 'lanebridge-view-thread (window-buffer (selected-window))))
  (set-buffer (window-buffer (selected-window))))

(defun lb-open-chat ()
  "Open the chat and go to its prompt, as a person does."
  (lanebridge-chat)
  (lb-go-to-chat)
  (lb-wait "its history" (lanebridge-thread-loaded lanebridge-view-thread)))

(defun lb-prompt ()
  "What stands in the chat's prompt."
  (with-current-buffer (car (lanebridge-chat-buffers))
    (lanebridge-view-prompt)))

(defun lb-wait-prompt (text)
  "Wait until TEXT stands in the chat's prompt."
  (lb-wait (concat "the prompt to be: " text) (equal (lb-prompt) text)))

(defun lb-wait-message (text)
  "Wait until TEXT was said in the echo area."
  (lb-wait (concat "the message: " text)
    (with-current-buffer (messages-buffer)
      (string-search text (buffer-string)))))

(defun lb-then (name)
  "The beginning of a rollout that NAME in a later prompt turns to."
  `(,@(lb-rollout name) :takes_over t))

(defun lb-undo-all ()
  "Undo step by step, until the prompt is empty."
  (setq last-command 'ignore)
  (while (not (equal (lanebridge-view-prompt) ""))
    (undo-only)
    (setq last-command 'undo)))

(defun lb-count (part text)
  "How often PART is in TEXT."
  (let ((count 0) (start 0))
    (while (setq start (string-search part text start))
      (setq count (1+ count) start (1+ start)))
    count))

(defun lb-undo-size ()
  "How many entries the undo list has."
  (if (listp buffer-undo-list) (length buffer-undo-list) 0))

(defmacro lb-choosing (index form &rest body)
  "Do FORM and BODY; where a choice is asked for, take that at INDEX."
  (declare (indent 2) (debug t))
  `(cl-letf (((symbol-function 'lanebridge-thread--choose-from)
              (lambda (_ labels)
                (setq lb-offered labels)
                ,index)))
     (setq lb-offered nil)
     ,form
     ,@body))

(provide 'lb-chat)
;;; lb-chat.el ends here
