;;; lanebridge-thread.el --- Conversations  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; What can be done with a conversation beyond asking: pick, continue, retry,
;; fork, rename, put away, export, and how its next turn goes.

;;; Code:

(require 'cl-lib)
(require 'subr-x)
(require 'lanebridge-chat)

(declare-function lanebridge-enter-key "lanebridge-secret")
(defvar lanebridge-settings)

(defun lanebridge-thread--id (thread &rest more)
  "Parameters that name THREAD, with MORE."
  (append (list :threadId (lanebridge-thread-id thread)) more))

(defun lanebridge-thread--choose-from (prompt labels)
  "Let one of LABELS be chosen by PROMPT; return its index.
Completion keeps their order; labels that are the same get a number."
  (let* ((seen (make-hash-table :test #'equal))
         (labels (mapcar (lambda (label)
                           (let ((count (cl-incf (gethash label seen 0))))
                             (if (= count 1) label (format "%s <%d>" label count))))
                         labels))
         (table (lambda (string predicate action)
                  (if (eq action 'metadata)
                      '(metadata (display-sort-function . identity)
                                 (cycle-sort-function . identity))
                    (complete-with-action action labels string predicate))))
         (chosen (completing-read prompt table nil t nil nil (car labels))))
    (cl-position chosen labels :test #'equal)))

;;;; Pick one

(defun lanebridge-thread--age (ms)
  "How long ago MS, milliseconds since 1970, was."
  (let ((seconds (- (float-time) (/ (or ms 0) 1000.0))))
    (cond ((< seconds 90) "now")
          ((< seconds 5400) (format "%d min ago" (/ seconds 60)))
          ((< seconds 129600) (format "%d h ago" (/ seconds 3600)))
          (t (format-time-string "%Y-%m-%d" (/ ms 1000))))))

(defun lanebridge-thread-label (thread)
  "THREAD in one line."
  (let ((title (lanebridge-thread-title thread)))
    (string-join
     (delq nil (list (if (string-empty-p title) "New conversation" title)
                     (lanebridge-thread--age (lanebridge-thread-updated thread))
                     (and (lanebridge-thread-archived thread) "archived")
                     (and (lanebridge-thread-can-continue thread) "was cut off")
                     (and (lanebridge-thread-leased thread) "open in another editor")))
     " · ")))

(defun lanebridge-thread--take-over (thread callback)
  "Take THREAD over from another process, then call CALLBACK."
  (lanebridge-request "lanebridge/thread/takeOver" (lanebridge-thread--id thread)
                      (lambda (result)
                        (lanebridge-state-merge-thread (plist-get result :thread))
                        (funcall callback))))

(defun lanebridge-thread--open (thread folder)
  "Open THREAD of FOLDER, after a question if another editor has it."
  (cl-flet ((show ()
              (lanebridge-ask-set-current folder (lanebridge-thread-id thread))
              (lanebridge-chat-open thread folder)))
    (if (and (lanebridge-thread-leased thread)
             (= 1 (lanebridge-thread--choose-from
                   "This conversation is open in another editor: "
                   '("Read it only" "Take it over from the other editor"))))
        (lanebridge-thread--take-over thread #'show)
      (show))))

(defun lanebridge-thread--list (folder query archived callback)
  "Call CALLBACK with the conversations of FOLDER that have QUERY in them.
With ARCHIVED those that were put away as well."
  (lanebridge-request
   "lanebridge/thread/list"
   (append (lanebridge-ask--folder-uri folder)
           (and query (list :query query))
           (and archived (list :archived t)))
   (lambda (result)
     (funcall callback (mapcar #'lanebridge-state-merge-thread (plist-get result :threads))))))

;;;###autoload
(defun lanebridge-threads (&optional query archived)
  "Open a conversation of this folder.
With a prefix argument only those with QUERY in a title or a prompt are
offered, ARCHIVED ones too."
  (interactive (and current-prefix-arg
                    (list (read-string "With these words: ") t)))
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-thread--list
     folder (and query (not (string-empty-p query)) query) archived
     (lambda (threads)
       (if (not threads)
           (lanebridge-say "no conversation in this folder%s" (if query " with these words" " yet"))
         (let ((index (lanebridge-thread--choose-from
                       "Conversation: " (mapcar #'lanebridge-thread-label threads))))
           (lanebridge-thread--open (nth index threads) folder)))))))

;;;###autoload
(defun lanebridge-new-thread ()
  "Begin a new conversation."
  (interactive)
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-ask-new-thread folder (lambda (thread) (lanebridge-chat-open thread folder)))))

;;;; Go on, again, otherwise

;;;###autoload
(defun lanebridge-continue ()
  "Let a turn that was cut off go on."
  (interactive)
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-ask-with-thread
     (lambda (thread)
       (lanebridge-request
        "lanebridge/thread/resume" (lanebridge-thread--id thread :continue t)
        (lambda (result)
          (lanebridge-state-merge-thread (plist-get result :thread))
          (lanebridge-state-tell 'thread thread)
          (if (plist-get result :turn)
              (lanebridge-chat-show thread folder)
            (lanebridge-say "nothing was cut off"))))))))

(defun lanebridge-thread--ended-turn (thread)
  "The turn at point if it is one of THREAD and has ended, else the last such."
  (let ((here (and (eq thread lanebridge-view-thread) (lanebridge-view-turn-at-point))))
    (if (and here (lanebridge-state-ended-p here))
        here
      (seq-find #'lanebridge-state-ended-p (reverse (lanebridge-thread-turns thread))))))

(defun lanebridge-thread--with-ended (callback)
  "Call CALLBACK with the conversation that is meant and a turn that has ended.
Its history is read if it is not here."
  (lanebridge-ask-with-thread
   (lambda (thread)
     (cl-flet ((go-on ()
                 (let ((turn (lanebridge-thread--ended-turn thread)))
                   (if turn
                       (funcall callback thread turn)
                     (lanebridge-say "nothing has been asked yet")))))
       (if (lanebridge-thread-turns thread)
           (go-on)
         (lanebridge-request
          "lanebridge/thread/read" (lanebridge-thread--id thread)
          (lambda (result)
            (lanebridge-state-merge-history (plist-get result :thread)
                                            (append (plist-get result :turns) nil))
            (go-on))))))))

;;;###autoload
(defun lanebridge-retry ()
  "Ask again what the last turn was asked, or in a chat that at point."
  (interactive)
  (lanebridge-thread--with-ended
   (lambda (thread turn)
     (lanebridge-request
      "lanebridge/turn/retry" (lanebridge-thread--id thread :turnId (lanebridge-turn-id turn))
      #'ignore))))

(defun lanebridge-fork ()
  "A new conversation that begins as this one; in a chat up to the turn at point."
  (interactive)
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-thread--with-ended
     (lambda (thread turn)
       (lanebridge-request
        "lanebridge/thread/fork"
        (apply #'lanebridge-thread--id thread
               (and lanebridge-view-thread (list :turnId (lanebridge-turn-id turn))))
        (lambda (result)
          (let ((forked (lanebridge-state-merge-thread (plist-get result :thread))))
            (lanebridge-ask-set-current folder (lanebridge-thread-id forked))
            (lanebridge-chat-open forked folder))))))))

;;;###autoload
(defun lanebridge-steer (text)
  "Tell TEXT to the turn that runs."
  (interactive (list (read-string "Tell the turn that runs: ")))
  (let ((thread (or (and lanebridge-view-thread
                         (lanebridge-thread-running lanebridge-view-thread)
                         lanebridge-view-thread)
                    (lanebridge-state-busy))))
    (cond ((not thread) (lanebridge-say "nothing runs; `lanebridge-ask' starts a turn"))
          ((not (string-blank-p text))
           (lanebridge-ask-steer thread (lanebridge-ask-input text (lanebridge-ask-folder)))))))

(defun lanebridge-thread--unqueue (thread turn-id)
  "Take the prompt TURN-ID that waits in THREAD back into the chat."
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-request
     "lanebridge/turn/unqueue" (lanebridge-thread--id thread :turnId turn-id)
     (lambda (result)
       (lanebridge-chat-open thread folder)
       (lanebridge-view-set-prompt
        (string-join (delq nil (mapcar (lambda (input) (plist-get input :text))
                                       (plist-get result :input)))
                     "\n"))
       (lanebridge-chat-decorate)
       (goto-char (point-max))))))

;;;###autoload
(defun lanebridge-queue ()
  "Show which prompts wait; take one back into the chat."
  (interactive)
  (lanebridge-ask-with-thread
   (lambda (thread)
     (lanebridge-request
      "lanebridge/turn/queue" (lanebridge-thread--id thread)
      (lambda (result)
        (let ((turns (append (plist-get result :turns) nil)))
          (if (not turns)
              (lanebridge-say "nothing waits")
            (let ((index (lanebridge-thread--choose-from
                          "Take back: "
                          (mapcar (lambda (turn)
                                    (lanebridge-render-clip (plist-get turn :text) 100))
                                  turns))))
              (lanebridge-thread--unqueue thread (plist-get (nth index turns) :turnId))))))))))

;;;; Names, and away with it

(defun lanebridge-thread-rename (title)
  "Give the conversation another TITLE."
  (interactive (list (read-string "Title: " (and lanebridge-view-thread
                                                 (lanebridge-thread-title
                                                  lanebridge-view-thread)))))
  (unless (string-blank-p title)
    (lanebridge-ask-with-thread
     (lambda (thread)
       (lanebridge-request "lanebridge/thread/rename" (lanebridge-thread--id thread :title title)
                           (lambda (_)
                             (setf (lanebridge-thread-title thread) title)
                             (lanebridge-state-tell 'thread thread)))))))

(defun lanebridge-thread--leave (thread folder)
  "THREAD of FOLDER is there no more."
  (lanebridge-ask-set-current folder nil)
  (let ((buffer (lanebridge-chat-of thread)))
    (when buffer (kill-buffer buffer)))
  (lanebridge-state-forget thread))

(defun lanebridge-thread--put-away (method said)
  "Do METHOD to the conversation that is meant here, and say SAID."
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-ask-with-thread
     (lambda (thread)
       (lanebridge-request method (lanebridge-thread--id thread)
                           (lambda (_)
                             (lanebridge-thread--leave thread folder)
                             (lanebridge-say "%s" said)))))))

(defun lanebridge-thread-archive ()
  "Put the conversation away; \\[universal-argument] \\[lanebridge-threads] finds it."
  (interactive)
  (lanebridge-thread--put-away "lanebridge/thread/archive" "archived"))

(defun lanebridge-thread-delete ()
  "Delete the conversation for good, after asking."
  (interactive)
  (when (= 1 (lanebridge-thread--choose-from "Delete this conversation? "
                                             '("Keep it" "Delete it for good")))
    (lanebridge-thread--put-away "lanebridge/thread/delete" "deleted")))

(defun lanebridge-thread-export (format)
  "Show the conversation in FORMAT, markdown or json."
  (interactive (list (completing-read "Format: " '("markdown" "json") nil t nil nil "markdown")))
  (lanebridge-ask-with-thread
   (lambda (thread)
     (lanebridge-request
      "lanebridge/thread/export" (lanebridge-thread--id thread :format format)
      (lambda (result)
        (lanebridge-status-show-text "export" (plist-get result :text)
                                     (equal format "markdown")))))))

(defun lanebridge-compact ()
  "Make the conversation shorter for the model."
  (interactive)
  (lanebridge-ask-with-thread
   (lambda (thread)
     (lanebridge-request "lanebridge/thread/compact" (lanebridge-thread--id thread) #'ignore))))

;;;; How the next turn goes

(defun lanebridge-thread--set (name value)
  "Have the conversation's next turn use VALUE as its NAME."
  (lanebridge-ask-with-thread
   (lambda (thread)
     (lanebridge-request
      "lanebridge/thread/set"
      (lanebridge-thread--id thread (intern (concat ":" name)) value)
      (lambda (result)
        (lanebridge-state-merge-thread (plist-get result :thread))
        (lanebridge-state-tell 'thread thread)
        (lanebridge-say "%s: %s, from the next turn on" name
                        (if (string-empty-p value) "as in the settings" value)))))))

(defun lanebridge-set-mode (mode)
  "Have the next turn go in MODE: plan, ask or auto."
  (interactive (list (completing-read "Mode: " '("plan" "ask" "auto") nil t)))
  (lanebridge-thread--set "mode" mode))

(defun lanebridge-set-effort (effort)
  "Have the model make EFFORT from now on; empty: as in the settings."
  (interactive (list (completing-read "Effort: " '("low" "medium" "high"))))
  (lanebridge-thread--set "effort" effort))

(defun lanebridge-set-model (&optional model)
  "Have the next turn use MODEL; without one choose from those there are."
  (interactive)
  (if model
      (lanebridge-thread--set "model" model)
    (lanebridge-request
     "lanebridge/model/list" nil
     (lambda (result)
       (lanebridge-thread--set
        "model" (completing-read "Model: " (mapcar (lambda (one) (plist-get one :id))
                                                   (plist-get result :models)))))
     (lambda (problem)
       (lanebridge-say "%s" (plist-get problem :message))
       (lanebridge-thread--set "model" (read-string "Model: "))))))

;;;; After a turn

(defun lanebridge-thread--plan-steps (turn)
  "Steps that are open in the last plan of TURN."
  (let ((plan (seq-some (lambda (item)
                          (and (equal (lanebridge-item-type item) "plan")
                               (lanebridge-render-read-plan item)))
                        (reverse (lanebridge-turn-items turn)))))
    (delq nil (mapcar (lambda (step)
                        (and (not (equal (plist-get step :status) "completed"))
                             (plist-get step :step)))
                      (plist-get plan :plan)))))

(defun lanebridge-accept-plan (mode)
  "Have the plan of the last turn, or of that at point, carried out in MODE."
  (interactive (list (completing-read "Carry it out in mode: " '("ask" "auto") nil t nil nil "ask")))
  (lanebridge-thread--with-ended
   (lambda (thread turn)
     (let ((steps (lanebridge-thread--plan-steps turn)))
       (lanebridge-request
        "lanebridge/plan/accept"
        (apply #'lanebridge-thread--id thread :turnId (lanebridge-turn-id turn) :mode mode
               (and steps (list :steps (vconcat steps))))
        #'ignore)))))

(defun lanebridge-thread--choice (id thread turn)
  "Do what the choice ID says after TURN of THREAD failed."
  (pcase id
    ("enterKey"
     (lanebridge-request "lanebridge/turn/retry"
                         (lanebridge-thread--id thread :turnId (lanebridge-turn-id turn))
                         #'ignore))
    (_
     (customize-set-variable
      'lanebridge-settings
      (plist-put (copy-sequence lanebridge-settings) :endpoint
                 (list :url (if (equal id "localModel")
                                (read-string "URL of the local model: "
                                             "ws://127.0.0.1:7777/v1/responses")
                              "replay:demo"))))
     (lanebridge-restart))))

(defun lanebridge-thread-choose ()
  "Choose what to do about a turn that failed for want of a key."
  (interactive)
  (let* ((thread lanebridge-view-thread)
         (turn (and thread (lanebridge-thread--ended-turn thread)))
         (choices (and turn (lanebridge-turn-choices turn))))
    (if (not choices)
        (lanebridge-say "there is nothing to choose here")
      (let ((index (lanebridge-thread--choose-from
                    "Do what? " (mapcar (lambda (choice) (plist-get choice :title)) choices))))
        (lanebridge-thread--choice (plist-get (nth index choices) :id) thread turn)))))

(provide 'lanebridge-thread)
;;; lanebridge-thread.el ends here
